"""Secrets in files: the key that hides who a unit is, and one-word secrets such as an arm's API key."""

import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from gateway import atomicfile
from gateway.core.clientkeys import ClientKey, ClientKeys
from gateway.core.identity import NAMELESS, Identity, Tokens, digest
from gateway.settings import ConfigError, Kafka, Settings

_FEWEST, _MOST = 16, 64
_MADE = 32


def load_unit_key(path: Path, name: str = "unit_key_file") -> bytes:
    """The key in `path`, which the configuration's key `name` names: 32 to 128 hex digits (16 to 64 bytes).

    Raises ConfigError.
    """
    text = read_secret(name, path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not _FEWEST <= len(key) <= _MOST:
        expected = f"{2 * _FEWEST} to {2 * _MOST} hex digits, as `openssl rand -hex 32` makes them"
        raise ConfigError([f"{name}: {path} holds no unit key: expected {expected}"])
    return key


def ensure_unit_key(path: Path, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
    """The key in `path`, made there, mode 0600, when there is none. Safe when several processes start at once.

    Raises ConfigError when the file cannot be used, OSError when none can be made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            atomicfile.write(own, entropy(_MADE).hex().encode() + b"\n", durable=True)
            _link(own, path)
        finally:
            own.unlink(missing_ok=True)
    return load_unit_key(path)


def _link(own: Path, path: Path) -> None:
    try:
        path.hardlink_to(own)  # unlike a rename it fails when another process was first: its key is the key
    except FileExistsError:
        return
    atomicfile.sync(path.parent)


def load_tokens(settings: Settings) -> Tokens:
    """All tokens of the admin port. Raises ConfigError, with every problem."""
    named = [
        (f"admin_tokens.{number}.file", each.file, Identity(each.name, each.role))
        for number, each in enumerate(settings.admin_tokens)
    ]
    one = settings.admin_token_file
    return Tokens(_digests([*named, *([] if one is None else [("admin_token_file", one, NAMELESS)])]))


def load_client_keys(settings: Settings) -> ClientKeys | None:
    """The keys of the data port; None: it asks for none. Raises ConfigError, with every problem."""
    given = [
        (f"client_keys.{number}.file", each.file, ClientKey(each.name, frozenset(each.models)))
        for number, each in enumerate(settings.client_keys)
    ]
    return ClientKeys(_digests(given)) if given else None


def kafka_password(kafka: Kafka) -> str:
    """What its SASL user signs in with; empty: nobody signs in. Raises ConfigError."""
    sasl = kafka.sasl
    return "" if sasl is None else read_secret("events.kafka.sasl.password_file", sasl.password_file)


def settings_fingerprint(settings: Settings) -> str:
    """SHA-256 of the configuration, those of the environment too, and of what its files of tokens and keys hold."""
    whole = sha256(settings.model_dump_json().encode())
    files = [*(each.file for each in settings.admin_tokens), *(each.file for each in settings.client_keys)]
    for path in files:
        whole.update(path.read_bytes())
    return whole.hexdigest()


_Owner = TypeVar("_Owner", Identity, ClientKey)


def _digests(given: Iterable[tuple[str, Path, _Owner]]) -> dict[bytes, _Owner]:
    """Digest -> owner, of (configuration key, file, owner)."""
    known: dict[bytes, _Owner] = {}
    problems: list[str] = []
    for key, path, owner in given:
        try:
            found = digest(read_secret(key, path))
        except ConfigError as error:
            problems += error.problems
            continue
        except ValueError as error:
            problems.append(f"{key}: {path}: {error}")
            continue
        if found in known:
            problems.append(f"{key}: {path} is that of {known[found].name} too: give each its own")
        known[found] = owner
    if problems:
        raise ConfigError(problems)
    return known


def read_secret(key: str, path: Path) -> str:
    """What the file named by the configuration key `key` holds, without white space around it.

    Raises ConfigError, which names both.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError([f"{key}: {path} cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{key}: {path} is not text"]) from error
    if not text:
        raise ConfigError([f"{key}: {path} is empty"])
    if any(ord(char) < 33 or ord(char) > 126 for char in text):
        raise ConfigError([f"{key}: {path} must hold one word of visible ASCII characters, and nothing else"])
    return text
