"""Keeps a copy of the bytes that pass, up to a bound."""

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.events.schema import Payload

_ENDLESS: Final = 1 << 62


class Tap(msgspec.Struct, eq=False):
    """One body: counts all of it, keeps the first `bound` bytes.

    What `keeper` gives takes whole chunks with their framing: payload and framing are told apart once somebody
    asks, not while they pass.
    """

    bound: int
    _framed: list[bytes] = []
    _size: int = 0
    _pieces: int = 0
    _kept: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """The next piece. Not copied."""
        if self._framed:
            self._unframe()
        before = self._size
        self._size = after = before + len(piece)
        self._pieces += 1
        if after <= self.bound:
            self._kept.append(piece)
        elif before < self.bound:
            self._kept.append(piece[: self.bound - before])

    def keeper(self) -> tuple[int, Callable[[bytes], None]]:
        """Takes plain chunks as they came; and how many bytes of them in all, until the next call of this."""
        room = self._room()
        return (room, self._framed.append) if room > 0 else (_ENDLESS, self._count)

    @property
    def pieces(self) -> int:
        """How many it came in."""
        return self._pieces + len(self._framed)

    @property
    def last(self) -> bytes:
        """The last piece; empty when there is none or it was not kept whole."""
        return self._kept[-1] if self._room() >= 0 and self._kept else b""

    def payload(self, content_type: str, content_encoding: str, *, keep: bool) -> Payload:
        """What a record says of it; with `keep` False, nothing but its size."""
        truncated = self._room() < 0
        return Payload(
            self._size, b"".join(self._kept) if keep else None, truncated, content_type, content_encoding
        )

    def _room(self) -> int:
        """Bytes that are still kept; below 0 once some were not."""
        if self._framed:
            self._unframe()
        return self.bound - self._size

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk) - chunk.find(b"\n") - len(b"\n\r\n")
        self._pieces += 1

    def _unframe(self) -> None:
        pieces = [chunk[chunk.find(b"\n") + 1 : -2] for chunk in self._framed]
        self._size += sum(map(len, pieces))
        self._pieces += len(pieces)
        self._kept += pieces
        self._framed.clear()
