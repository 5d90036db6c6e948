"""Server-sent events, incrementally: the parsing rules of the WHATWG HTML standard, 9.2.6, within a bound.

`id` and `retry` fields are read over: nothing here reconnects. As the standard says, an event that is not ended by
a blank line is no event.
"""

from typing import Final

import msgspec

EVENT_BYTES: Final = 16 << 20

_BOM: Final = b"\xef\xbb\xbf"
_LINE_OF_NO_MEANING: Final = b":"


class Event(msgspec.Struct, frozen=True):
    """One event: its type, and its `data` lines joined by newlines. Invalid UTF-8 becomes U+FFFD."""

    type: str
    data: str


class Oversize(msgspec.Struct, frozen=True):
    """Stands where an event was that is larger than the parser's bound; parsing goes on behind it."""

    limit: int


class SseParser:
    """Feed it bytes, however they are split; it returns what they complete. Holds `limit` bytes at most."""

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._type = b""
        self._line_bytes = 0
        self._data_bytes = 0
        self._oversize = False
        self._at_start = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[Event | Oversize]:
        """The events that `chunk` completes, in order."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        done: list[Event | Oversize] = []
        lines = chunk.splitlines(keepends=True)
        for line in lines:
            text = line.rstrip(b"\r\n")
            if len(text) == len(line):
                self._hold(text)
            elif (event := self._line(text)) is not None:
                done.append(event)
        self._after_cr = lines[-1].endswith(b"\r")
        return done

    def _hold(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._line_bytes += len(piece)
        self._bound()

    def _bound(self) -> None:
        """Over the limit, forget the event so far. A line that has begun stays one that is not blank."""
        if self._line_bytes + self._data_bytes > self._limit:
            self._oversize = True
            self._pieces = [_LINE_OF_NO_MEANING] if self._line_bytes else []
            self._line_bytes = len(self._pieces)
            self._data = []
            self._data_bytes = 0

    def _line(self, end: bytes) -> Event | Oversize | None:
        self._hold(end)
        line = b"".join(self._pieces)
        self._pieces, self._line_bytes = [], 0
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data" and not self._oversize:
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._bound()
        elif name == b"event":
            self._type = value
        return None

    def _dispatch(self) -> Event | Oversize | None:
        data, kind, oversize = self._data, self._type, self._oversize
        self._data, self._type, self._oversize, self._data_bytes = [], b"", False, 0
        if oversize:
            return Oversize(self._limit)
        if not data:
            return None
        return Event(kind.decode(errors="replace") or "message", b"\n".join(data).decode(errors="replace"))
