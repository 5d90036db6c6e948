"""Where a body ends: by a length, by chunks, or with the connection.

A reader is fed what arrives and returns the payload in it. `done` says that the body has ended; `rest` is what
follows it. `whole` says that the last piece fed was exactly one plain chunk, so that it can go on as it came.
"""

import re
from typing import Final, Protocol

from gateway.proxy.http1 import HeaderLines, Malformed

_HEX = b"0123456789abcdefABCDEF"
_SIZE_LINE = re.compile(rb"[0-9a-fA-F]{1,15}(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_SIZE_LINE_BEGUN = re.compile(
    rb"[0-9a-fA-F]{0,15}|[0-9a-fA-F]{1,15}(?:\r|[ \t]+|[ \t]*;[\t\x20-\x7e\x80-\xff]*\r?)"
)
_LINE_BYTES: Final = 4096
_SIZE_DIGITS: Final = 10
_TRAILER_BYTES: Final = 16 << 10
_CRLF = b"\r\n"


class BodyReader(Protocol):
    """One message's body."""

    done: bool
    rest: bytes
    whole: bool

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`, which follows what was fed before. Raises Malformed. Not after `done`."""


class LengthReader:
    """A body of a stated number of bytes."""

    __slots__ = ("_left", "done", "rest", "whole")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.rest = b""
        self.whole = False

    def feed(self, data: bytes) -> bytes:
        """See BodyReader."""
        left = self._left = self._left - len(data)
        if left > 0:
            return data
        self.done = True
        if left == 0:
            return data
        self.rest = data[left:]
        return data[:left]


class CloseReader:
    """A body that ends with the connection: whoever reads the connection says so."""

    __slots__ = ("done", "rest", "whole")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self.whole = False

    def feed(self, data: bytes) -> bytes:
        """See BodyReader."""
        return data


class ChunkedReader:
    """A body in chunks. Extensions are dropped; `trailers` are the lines after the last chunk."""

    __slots__ = ("_held", "_known", "_left", "_size_of", "_tail", "between", "done", "rest", "trailers", "whole")

    def __init__(self, known: HeaderLines) -> None:
        self._known = known
        self._size_of = known.chunk_sizes.found
        self.between = True
        """All chunks so far have been fed whole: what comes next begins with the size of one."""
        self._held = b""
        self._left = 0
        """Payload bytes still to come in this chunk; -1: its CRLF is to come."""
        self._tail = False
        self.trailers: list[bytes] = []
        self.done = False
        self.rest = b""
        self.whole = False

    def feed(self, data: bytes) -> bytes:
        """See BodyReader."""
        if self.between:
            end = data.find(_CRLF)
            size = self._size_of(data[:end]) or self._learn(data[:end])
            if len(data) == end + 4 + size and data[-2:] == _CRLF:
                self.whole = True
                return data[end + 2 : -2]
            if 0 < size < len(data) and (several := self._several(data)):
                self.whole = False
                return several
        self.whole = False
        payload = self._feed_slowly(self._held + data if self._held else data)
        self.between = not (self._left or self._held or self._tail)
        return payload

    def _several(self, data: bytes) -> bytes:
        """The payload of plain chunks that fill `data` exactly, as they come from a fast server; else empty."""
        pieces, place = [], 0
        while place < len(data):
            end = data.find(_CRLF, place)
            size = self._size_of(data[place:end]) or self._learn(data[place:end])
            after = end + 2 + size
            if end < 0 or size < 0 or data[after : after + 2] != _CRLF:
                return b""
            pieces.append(data[end + 2 : after])
            place = after + 2
        return b"".join(pieces)

    def _learn(self, digits: bytes) -> int:
        """The size that a chunk states, remembered; a negative number for what is no plain size, or 0."""
        if not 0 < len(digits) <= _SIZE_DIGITS or digits.translate(None, _HEX) or not (size := int(digits, 16)):
            return -5  # no data is as short as that
        self._known.chunk_sizes.keep(digits, size)
        return size

    def _feed_slowly(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        place = 0
        self._held = b""
        while place < len(data) and not self.done:
            if self._left > 0:
                piece = data[place : place + self._left]
                pieces.append(piece)
                place += len(piece)
                self._left = self._left - len(piece) or -1
                continue
            step = self._framing(data, place)
            if step == place:
                self._held = data[place:]
                break
            place = step
        if self.done:
            self.rest = data[place:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _framing(self, data: bytes, place: int) -> int:
        """Read one piece of framing at `place`: the place after it, or `place` when it is not all there."""
        if self._left < 0:
            return self._chunk_end(data, place)
        if self._tail:
            return self._trailer(data, place)
        return self._size_line(data, place)

    def _chunk_end(self, data: bytes, place: int) -> int:
        end = data[place : place + 2]
        if not _CRLF.startswith(end):
            raise Malformed("a chunk that is longer than it says")
        if len(end) < 2:
            return place
        self._left = 0
        return place + 2

    def _size_line(self, data: bytes, place: int) -> int:
        end = data.find(_CRLF, place, place + _LINE_BYTES)
        line = data[place:] if end < 0 else data[place:end]
        _check_size_line(line, whole=end >= 0)
        if end < 0:
            return place
        self._left = int(line.partition(b";")[0].rstrip(b" \t"), 16)
        self._tail = self._left == 0
        return end + 2

    def _trailer(self, data: bytes, place: int) -> int:
        if data.startswith(_CRLF, place):
            self.done = True
            return place + 2
        end = data.find(b"\r\n\r\n", place, place + _TRAILER_BYTES)
        if end < 0:
            if len(data) - place >= _TRAILER_BYTES:
                raise Malformed("trailers that are too long")
            return place
        fields, self.trailers = self._known.read([b"", *data[place:end].split(_CRLF)])
        if not fields.keys().isdisjoint(_FORBIDDEN_IN_TRAILERS):
            raise Malformed("a trailer that belongs into the head")
        self.done = True
        return end + 4


_FORBIDDEN_IN_TRAILERS = frozenset({b"content-length", b"transfer-encoding", b"host", b"content-encoding"})


def _check_size_line(line: bytes, *, whole: bool) -> None:
    if not (_SIZE_LINE if whole else _SIZE_LINE_BEGUN).fullmatch(line) or len(line) >= _LINE_BYTES - 2:
        raise Malformed("a chunk size that is not a number")
