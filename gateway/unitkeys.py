"""The unit key over the years: which one is in use, which ones were, and how it becomes another.

Another key gives everybody another hash, so it deals every unit anew: while a rollout is under way its evidence
would count people twice, and mix two deals. Whoever hashes holds a lock with all others who do, so that all of them
hash with the key in use, and it becomes another only while nobody hashes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog

from gateway import atomicfile
from gateway.keys import ensure_unit_key, load_unit_key
from gateway.layout import DataFolder
from gateway.processlock import ProcessLock
from gateway.settings import ConfigError, Settings

log = structlog.get_logger(__name__)

_KEY_BYTES = 32
_PERSON = b"tipstaff keys"
_DIGITS = 16


class InUse(msgspec.Struct, frozen=True):
    """The key that hashes are made with since then, by its fingerprint, and those before, the newest first."""

    fingerprint: str
    since_us: int
    before: tuple[str, ...] = ()

    @property
    def history(self) -> tuple[str, ...]:
        """All that were ever in use, the newest first."""
        return (self.fingerprint, *self.before)


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
    here = [load_unit_key(path, "an old unit key") for path in [*own, *reversed(kept(data))]]
    listed = [load_unit_key(path, "old_unit_key_files") for path in settings.old_unit_key_files]
    return tuple(dict.fromkeys([current(settings, data), *here, *listed]))


def missing(settings: Settings, data: DataFolder) -> list[str]:
    """Fingerprints of keys that are or were in use and are not at hand. Raises ConfigError, OSError."""
    found, there = in_use(data), set(map(fingerprint, known(settings, data)))
    return [] if found is None else [each for each in found.history if each not in there]


def kept(data: DataFolder) -> list[Path]:
    """The data folder's own old keys, the oldest first."""
    found = data.unit_key.parent.glob(f"{data.unit_key.name}.*")
    return sorted((path for path in found if path.suffix[1:].isdigit()), key=_number)


def in_use(data: DataFolder) -> InUse | None:
    """What was taken into use last; None: nothing yet. Raises OSError."""
    path = data.unit_key_in_use
    try:
        return msgspec.json.decode(path.read_bytes(), type=InUse)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        way = "with no rollout under way remove it, else take it from a backup"
        raise OSError(f"{path} does not say which unit key is in use ({error}): {way}") from error


@contextmanager
def used(settings: Settings, data: DataFolder, now_us: int, under_way: Callable[[], list[str]]) -> Iterator[bytes]:
    """The key to hash with, which is the one in use meanwhile. Another than before is taken only while nobody else
    hashes and no rollout is under way. `under_way`: the models that have one. Raises ConfigError, OSError.
    """
    key = current(settings, data)
    wanted = fingerprint(key)
    with closing(ProcessLock.only(data.unit_key_lock) or ProcessLock.share(data.unit_key_lock)) as lock:
        if lock.alone:
            _change(settings, data, InUse(wanted, now_us), under_way)
            lock.let_others()
        _refuse_another(settings, data, wanted)  # after being alone too: somebody else may have been it in between
        yield key


def _change(settings: Settings, data: DataFolder, wanted: InUse, under_way: Callable[[], list[str]]) -> None:
    before = in_use(data)
    if before is None:
        _write(data, wanted)
    elif before.fingerprint != wanted.fingerprint:
        said = f"{_named(settings, data)} is {wanted.fingerprint}, {before.fingerprint} is in use, and "
        refuse_under_way(under_way(), said)
        _write(data, msgspec.structs.replace(wanted, before=before.history))
        log.warning("another unit key, every user is dealt anew", before=before.fingerprint, now=wanted.fingerprint)


def refuse_another(settings: Settings, data: DataFolder) -> None:
    """Raises ConfigError for a key that is not the one in use, where there is one; OSError."""
    if in_use(data) is not None:
        _refuse_another(settings, data, fingerprint(current(settings, data)))


def _refuse_another(settings: Settings, data: DataFolder, wanted: str) -> None:
    found = in_use(data)
    if found is None or found.fingerprint != wanted:
        said = f"{_named(settings, data)} is {wanted}, which is not the key in use"
        others = "" if found is None else f", {found.fingerprint}"
        raise ConfigError([f"{said}{others}: put that one back, or stop tipstaff and start it again"])


def _named(settings: Settings, data: DataFolder) -> str:
    return f"the unit key in {data.unit_key}" if settings.unit_key_file is None else "unit_key_file: the key"


def refuse_under_way(models: list[str], why: str = "") -> None:
    """Raises ConfigError where some model has a rollout under way."""
    if models:
        said = f"a rollout of {', '.join(models)} is under way"
        way = "finish it or roll it back first, with its model in the configuration, or keep the old key"
        raise ConfigError([f"{why}{said}: {way}"])


def refuse_foreign(settings: Settings, data: DataFolder) -> None:
    """Raises ConfigError for a key that is not the data folder's own to change."""
    if settings.unit_key_file is not None:
        told = "put a new one there (openssl rand -hex 32), the old one into old_unit_key_files, and start again"
        raise ConfigError([f"the unit key is {settings.unit_key_file}: {told}"])
    if not data.unit_key.exists():
        raise ConfigError([f"{data.unit_key} does not exist: tipstaff has never run with this configuration"])


def tell_changes(data: DataFolder, tell: Callable[[str], object]) -> None:
    """Have each change said that was not yet, in order; one twice where a kill comes between. For one process.

    Raises OSError, and what `tell` does: then that one is said the next time.
    """
    found = in_use(data)
    if found is None:
        return
    keys, told = found.history[::-1], _told(data)
    first = len(told) if keys[: len(told)] == told else 0
    for number in range(max(first, 1), len(keys)):
        tell(f"{keys[number - 1]} became {keys[number]}")
        said = msgspec.json.encode(keys[: number + 1])
        atomicfile.replace(data.unit_key_told, said, durable=True)


def _told(data: DataFolder) -> tuple[str, ...]:
    """The keys that the audit stream has, the oldest first; where nobody knows, it hears of all again."""
    try:
        return msgspec.json.decode(data.unit_key_told.read_bytes(), type=tuple[str, ...])
    except (FileNotFoundError, msgspec.DecodeError):
        return ()


def rotate(data: DataFolder, entropy: Callable[[int], bytes] = os.urandom) -> Path:
    """Make the data folder's own key another one; where the old one is kept. Nobody may hash meanwhile.

    A kill leaves the old key in place or the new one, and never loses the old. Raises ConfigError, OSError,
    DataFolderError.
    """
    with closing(ProcessLock.take(data.unit_key_lock, f"the unit key of data folder {data.root}")):
        return _rotate(data, entropy)


def _rotate(data: DataFolder, entropy: Callable[[int], bytes]) -> Path:
    old = load_unit_key(data.unit_key, "the unit key")
    there = kept(data)
    for path in there:
        if load_unit_key(path, "an old unit key") == old:  # of an attempt that was killed
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
