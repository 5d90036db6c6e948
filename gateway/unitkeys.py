"""The unit key over the years: which one is in use, which ones were, and how it becomes another.

Another key gives everybody another hash, so it deals every unit anew: while a rollout is under way its evidence
would count people twice, and mix two deals.
"""

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import msgspec

from gateway import atomicfile
from gateway.keys import ensure_unit_key, load_unit_key
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings

_KEY_BYTES = 32
_PERSON = b"tipstaff keys"
_DIGITS = 16


class InUse(msgspec.Struct, frozen=True):
    """The key that hashes are made with since then, by its fingerprint, and those before, the newest first.

    `told`: the audit stream has it.
    """

    fingerprint: str
    since_us: int
    before: tuple[str, ...] = ()
    told: bool = True


def fingerprint(key: bytes) -> str:
    """What a key may be called by: 16 hex digits that don't help anybody who looks for it."""
    return blake2b(key, digest_size=_DIGITS // 2, person=_PERSON).hexdigest()


def current(settings: Settings, data: DataFolder) -> bytes:
    """The key that the configuration names, or the data folder's own, made where there is none.

    Raises ConfigError, OSError.
    """
    own = settings.unit_key_file
    return ensure_unit_key(data.unit_key) if own is None else load_unit_key(own)


def known(settings: Settings, data: DataFolder) -> tuple[bytes, ...]:
    """Every key that hashes may be made with: the current one, then older ones. Raises ConfigError, OSError."""
    own = [data.unit_key] if data.unit_key.exists() else []  # in use before there was a unit_key_file, maybe
    files = [*own, *reversed(kept(data)), *settings.old_unit_key_files]
    return tuple(dict.fromkeys([current(settings, data), *map(load_unit_key, files)]))


def missing(settings: Settings, data: DataFolder) -> list[str]:
    """Fingerprints of keys that were in use and are not at hand. Raises ConfigError, OSError."""
    found, there = in_use(data), set(map(fingerprint, known(settings, data)))
    return [] if found is None else [each for each in found.before if each not in there]


def kept(data: DataFolder) -> list[Path]:
    """The data folder's own old keys, the oldest first."""
    found = data.unit_key.parent.glob(f"{data.unit_key.name}.*")
    return sorted((path for path in found if path.suffix[1:].isdigit()), key=_number)


def in_use(data: DataFolder) -> InUse | None:
    """What was taken into use last; None: nothing yet. Raises OSError."""
    try:
        return msgspec.json.decode(data.unit_key_in_use.read_bytes(), type=InUse)
    except FileNotFoundError:
        return None


def take_into_use(
    settings: Settings, data: DataFolder, now_us: int, under_way: Callable[[], list[str]], *, change: bool = True
) -> bytes:
    """The key to hash with. Another than the one in use is taken only while no rollout is under way, and only where
    a `change` may be: not by one process of several. `under_way`: the models that have one. Raises ConfigError,
    OSError.
    """
    key = current(settings, data)
    wanted, before = fingerprint(key), in_use(data)
    if before is not None and before.fingerprint == wanted:
        return key
    if not change:
        refuse_another(settings, data)
    if before is not None:
        refuse_under_way(
            under_way(), f"another unit key ({wanted}) than the one in use ({before.fingerprint}), and "
        )
    earlier = () if before is None else (before.fingerprint, *before.before)
    found = InUse(wanted, now_us, earlier, told=before is None)
    _write(data, found)
    return key


def refuse_another(settings: Settings, data: DataFolder) -> None:
    """Raises ConfigError for a key that is not the one in use, where there is one; OSError."""
    wanted, found = fingerprint(current(settings, data)), in_use(data)
    if found is not None and found.fingerprint != wanted:
        said = f"{wanted} is not the key in use, {found.fingerprint}"
        raise ConfigError([f"unit_key_file: {said}: stop tipstaff and start it again"])


def refuse_under_way(models: list[str], why: str = "") -> None:
    """Raises ConfigError where some model has a rollout under way."""
    if models:
        said = f"a rollout of {', '.join(models)} is under way"
        way = "finish it or roll it back first, with its model in the configuration, or keep the old key"
        raise ConfigError([f"unit_key_file: {why}{said}: {way}"])


def refuse_foreign(settings: Settings, data: DataFolder) -> None:
    """Raises ConfigError for a key that is not the data folder's own to change."""
    if settings.unit_key_file is not None:
        told = "put a new one there (openssl rand -hex 32), the old one into old_unit_key_files, and start again"
        raise ConfigError([f"the unit key is {settings.unit_key_file}: {told}"])
    if not data.unit_key.exists():
        raise ConfigError([f"{data.unit_key} does not exist: tipstaff has never run with this configuration"])


def untold(data: DataFolder) -> InUse | None:
    """A change that is not in the audit stream yet. Raises OSError."""
    found = in_use(data)
    return None if found is None or found.told else found


def tell(data: DataFolder, found: InUse) -> None:
    """It is. Raises OSError."""
    _write(data, msgspec.structs.replace(found, told=True))


def rotate(data: DataFolder, entropy: Callable[[int], bytes] = os.urandom) -> Path:
    """Make the data folder's own key another one; where the old one is kept. The folder is nobody's meanwhile.

    A kill leaves the old key in place or the new one, and never loses the old. Raises ConfigError, OSError.
    """
    old = load_unit_key(data.unit_key)
    there = kept(data)
    for path in there:
        if load_unit_key(path) == old:  # of an attempt that was killed
            break
    else:
        path = data.unit_key.with_name(f"{data.unit_key.name}.{_number(there[-1]) + 1 if there else 1}")
        atomicfile.replace(path, old.hex().encode() + b"\n", durable=True)
    atomicfile.replace(data.unit_key, entropy(_KEY_BYTES).hex().encode() + b"\n", durable=True)
    return path


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _write(data: DataFolder, found: InUse) -> None:
    atomicfile.replace(data.unit_key_in_use, msgspec.json.encode(found), durable=True)
