"""Keeps a copy of the bytes that pass, up to a bound."""

import msgspec

from gateway.events.schema import Payload


class Tap(msgspec.Struct, eq=False):
    """One body: counts all of it, keeps the first `bound` bytes.

    `framed` takes whole chunks with their framing, at most `room()` bytes between two calls of that: what is theirs
    is told from the framing once somebody asks, not while they pass.
    """

    bound: int
    framed: list[bytes] = []
    _size: int = 0
    _pieces: int = 0
    _kept: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """The next piece. Not copied."""
        if self.framed:
            self._unframe()
        before = self._size
        self._size = after = before + len(piece)
        self._pieces += 1
        if after <= self.bound:
            self._kept.append(piece)
        elif before < self.bound:
            self._kept.append(piece[: self.bound - before])

    def room(self) -> int:
        """How many bytes are sure to be kept; not above 0 when there may be none."""
        if self.framed:
            self._unframe()
        return self.bound - self._size

    @property
    def pieces(self) -> int:
        """How many it came in."""
        return self._pieces + len(self.framed)

    @property
    def last(self) -> bytes:
        """The last piece; empty when there is none or it was not kept whole."""
        return self._kept[-1] if self.room() >= 0 and self._kept else b""

    def payload(self, content_type: str, content_encoding: str, *, keep: bool) -> Payload:
        """What a record says of it; with `keep` False, nothing but its size."""
        truncated = self.room() < 0
        return Payload(
            self._size, b"".join(self._kept) if keep else None, truncated, content_type, content_encoding
        )

    def _unframe(self) -> None:
        pieces = [chunk[chunk.find(b"\n") + 1 : -2] for chunk in self.framed]
        self._size += sum(map(len, pieces))
        self._pieces += len(pieces)
        self._kept += pieces
        self.framed.clear()
