"""Who is signed in at the admin port without sending a token each time.

The browser has a random word; here are the SHA-256 of that word and of the token that it was given for, so nobody
signs in with what this file holds. Who it is, and with what role, the token says anew at each use.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

import msgspec
import structlog

from gateway import atomicfile
from gateway.core.identity import Identity, Tokens
from gateway.ports import Clock

log = structlog.get_logger(__name__)

MOST = 64
"""Sessions of one token; with another one its oldest ends."""
_RANDOM_BYTES = 32


class Session(msgspec.Struct, frozen=True):
    """Somebody who is signed in, until a time in microseconds."""

    who: Identity
    until_us: int


class _Kept(msgspec.Struct, frozen=True):
    """word, token: SHA-256 of each."""

    word: bytes
    token: bytes
    until_us: int


class Sessions:
    """Kept in a file, so that they outlive this process; where it cannot be written, they last as long as this.

    One object per file. From any thread; `find` never waits. `seconds`: how long each lasts.
    """

    def __init__(
        self,
        path: Path,
        tokens: Tokens,
        clock: Clock,
        seconds: float,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._path = path
        self._tokens = tokens
        self._clock = clock
        self._lasts_us = round(seconds * 1e6)
        self._entropy = entropy
        self._lock = Lock()
        found = _read(path)
        self._open = self._live(found)
        if len(self._open) < len(found):  # a token that comes back later opens nothing that has ended
            self._write()

    def open(self, token: bytes) -> tuple[str, Session]:
        """A new one, and the word that names it. Raises KeyError for a token that is nobody's."""
        who = self._tokens.of(token)
        if who is None:
            raise KeyError("this token is nobody's")
        word = urlsafe_b64encode(self._entropy(_RANDOM_BYTES)).rstrip(b"=").decode()
        kept = _Kept(_digest(word), sha256(token).digest(), self._clock.now_us() + self._lasts_us)
        with self._lock:
            others = self._live(self._open)
            own = [each.word for each in others.values() if each.token == kept.token]
            for oldest in own[: max(len(own) - MOST + 1, 0)]:
                del others[oldest]
            self._open = {**others, kept.word: kept}
            self._write()
        return word, Session(who, kept.until_us)

    def find(self, word: str) -> Session | None:
        """None: it has ended, or never was."""
        kept = self._open.get(_digest(word))
        if kept is None or kept.until_us <= self._clock.now_us():
            return None
        who = self._tokens.holder(kept.token)
        return None if who is None else Session(who, kept.until_us)

    def end(self, word: str) -> None:
        """From now on nobody is signed in by it."""
        ended = _digest(word)
        with self._lock:
            self._open = {each: kept for each, kept in self._live(self._open).items() if each != ended}
            self._write()

    def _live(self, found: dict[bytes, _Kept]) -> dict[bytes, _Kept]:
        now_us = self._clock.now_us()
        return {
            word: kept
            for word, kept in found.items()
            if kept.until_us > now_us and self._tokens.holder(kept.token) is not None
        }

    def _write(self) -> None:
        content = msgspec.json.encode(list(self._open.values()))
        try:
            atomicfile.replace(self._path, content, durable=True)
        except OSError as error:
            log.warning("who is signed in cannot be kept: after a restart nobody is", error=str(error))
            with suppress(OSError):  # it has those who signed out; a full disk lets it go
                self._path.unlink(missing_ok=True)


def _digest(word: str) -> bytes:
    return sha256(word.encode("utf-8", "surrogateescape")).digest()


def _read(path: Path) -> dict[bytes, _Kept]:
    """In the order in which they were opened."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[_Kept])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        log.warning("who is signed in cannot be read: everybody has to sign in again", error=str(error))
        return {}
    return {kept.word: kept for kept in found}
