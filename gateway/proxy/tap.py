"""Keeps a copy of the bytes that pass, up to a bound."""

import msgspec

from gateway.events.schema import Payload


class Tap(msgspec.Struct, eq=False):
    """One body: counts all of it, keeps the first `bound` bytes. `chunks`: how many pieces it came in."""

    bound: int
    size: int = 0
    chunks: int = 0
    kept: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """The next piece. Not copied."""
        before = self.size
        self.size = after = before + len(piece)
        self.chunks += 1
        if after <= self.bound:
            self.kept.append(piece)
        elif before < self.bound:
            self.kept.append(piece[: self.bound - before])

    @property
    def last(self) -> bytes:
        """The last piece; empty when there is none or it was not kept whole."""
        return self.kept[-1] if self.kept and self.size <= self.bound else b""

    def payload(self, content_type: str, content_encoding: str, *, keep: bool) -> Payload:
        """What a record says of it; with `keep` False, nothing but its size."""
        kept = b"".join(self.kept) if keep else None
        return Payload(self.size, kept, self.size > self.bound, content_type, content_encoding)
