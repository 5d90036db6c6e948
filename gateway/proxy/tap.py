"""Keeps a copy of the bytes that pass, up to a bound."""

from gateway.events.schema import Payload


class Tap:
    """One body: counts all of it, keeps its beginning. `chunks`: how many pieces it came in."""

    __slots__ = ("_bound", "_kept", "_room", "chunks", "size")

    def __init__(self, bound: int) -> None:
        self._kept: list[bytes] = []
        self._bound = bound
        self._room = bound
        self.size = 0
        self.chunks = 0

    def add(self, piece: bytes) -> None:
        """The next piece. Not copied."""
        size = len(piece)
        self.size += size
        self.chunks += 1
        room = self._room
        if room > 0:
            self._kept.append(piece if size <= room else piece[:room])
            self._room = room - size

    def payload(self, content_type: str, content_encoding: str, *, keep: bool) -> Payload:
        """What a record says of it; with `keep` False, nothing but its size."""
        kept = (self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)) if keep else None
        return Payload(self.size, kept, self.size > self._bound, content_type, content_encoding)
