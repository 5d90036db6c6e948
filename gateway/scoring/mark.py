"""What a scorer has in hand, on disk, so that an exchange that kills it is known afterwards.

Written before exchanges are read and after they are; the kernel keeps it when the process dies.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

FATAL = 2
"""Deaths after which an exchange is passed over."""


class Suspect(msgspec.Struct, frozen=True):
    """An exchange that was in hand when its scorer died: how often, and how the last time."""

    deaths: int
    how: Literal["crashed", "hung"]


class _Marked(msgspec.Struct, array_like=True):
    in_hand: list[str]
    suspects: dict[str, Suspect]


class Mark:
    """One scorer's mark file. `hung`: the process before this one was ended by its watchdog; else it crashed."""

    def __init__(self, path: Path, *, hung: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        before = _decoded(os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0))
        self._suspects = dict(before.suspects)
        for identifier in before.in_hand:
            known = self._suspects.get(identifier)
            self._suspects[identifier] = Suspect((known.deaths if known else 0) + 1, "hung" if hung else "crashed")
        self._write([])

    def suspect(self, exchange_id: str) -> Suspect | None:
        """What is held against an exchange; None when nothing is."""
        return self._suspects.get(exchange_id)

    def take(self, exchange_ids: Iterable[str]) -> None:
        """These are in hand now."""
        self._write(list(exchange_ids))

    def put_down(self) -> None:
        """Nothing is in hand any more."""
        self._write([])

    def settle(self, exchange_ids: Iterable[str]) -> None:
        """These have their verdicts: forget what was held against them."""
        settled = [identifier for identifier in exchange_ids if self._suspects.pop(identifier, None)]
        if settled:
            self._write([])

    def close(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, in_hand: list[str]) -> None:
        body = msgspec.msgpack.encode(_Marked(in_hand, self._suspects))
        framed = len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body
        os.pwrite(self._descriptor, framed, 0)


def _decoded(data: bytes) -> _Marked:
    """What a mark file says; nothing when it is new, or was torn by a power cut."""
    length, check = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    body = data[8 : 8 + length]
    if not body or zlib.crc32(body) != check:
        return _Marked([], {})
    return msgspec.msgpack.decode(body, type=_Marked)
