"""Reads one answer off an upstream connection: interim answers, head, body, trailers.

Pure: bytes in, calls to a Sink out. What is not exactly one well-formed answer raises Malformed.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from gateway.proxy.framing import BodyReader, ChunkedReader, CloseReader, LengthReader
from gateway.proxy.http1 import HeaderLines, Malformed, ResponseHead, check_partial, read_answer

_MAX_INTERIM = 32
_LEARNED_BYTES = 8192
"""Longer chunks are not known again by their length."""
_SWITCHING = 101
_BODYLESS = (204, 304)


class Passage(NamedTuple):
    """A way for whole chunks that nobody needs to look into: `keep` and `write` each take one as it came; at most
    `room` bytes in all.
    """

    room: int
    keep: Callable[[bytes], None]
    write: Callable[[bytes], None]


class Sink(Protocol):
    """Whoever gets an answer, in this order: interim*, then whole, or begun and piece*. The end is the connection's
    to tell.
    """

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer; the real one is still to come."""

    def begun(self, head: ResponseHead, *, bodyless: bool, more: bool) -> None:
        """The answer's head. `bodyless`: nothing follows, whatever it says. `more`: a `piece` comes at once."""

    def whole(self, head: ResponseHead, payload: bytes) -> None:
        """A head with a length, and at once all of its body, which is not empty."""

    def piece(self, payload: bytes, chunk: bytes | None) -> None:
        """A piece of the body as it arrived; `chunk`: the same with its framing, when it is exactly one chunk.

        Empty only right after `begun` promised more.
        """

    def passage(self) -> Passage | None:
        """Where whole chunks may go from now on instead of `piece`; until the next call of it."""


class AnswerReader(msgspec.Struct, eq=False):
    """One answer. `to_head`: it answers a HEAD request, so no body follows.

    `started`: a byte of it has arrived. `done`: it is all there. `reusable`: the connection can carry another.
    """

    sink: Sink
    known: HeaderLines
    header_bytes: int
    to_head: bool
    started: bool = False
    done: bool = False
    reusable: bool = False
    body: BodyReader | None = None
    held: bytes = b""
    interims: int = 0

    @property
    def trailers(self) -> list[bytes]:
        """Header lines after the last chunk."""
        return self.body.trailers if isinstance(self.body, ChunkedReader) else []

    def feed(self, data: bytes) -> None:
        """Take what arrived; hand on what it holds. Raises Malformed. Not after `done`."""
        body = self.body
        if body is None:
            self._feed_head(data)
            return
        payload = body.feed(data)
        if body.whole:
            if len(data) < _LEARNED_BYTES:
                self.known.openings[len(data)] = data[: -len(payload) - 2]
            self.sink.piece(payload, data)
            return
        if payload:
            self.sink.piece(payload, None)
        if body.done:
            self._end(body.rest)

    def passage(self) -> Passage | None:
        """See Sink; None where what comes next may not be a whole chunk."""
        body = self.body
        return self.sink.passage() if isinstance(body, ChunkedReader) and body.between else None

    def eof(self) -> bool:
        """The connection ended: True when that is how this answer ends."""
        if not self.done:
            self.done = isinstance(self.body, CloseReader)
        return self.done

    def _feed_head(self, data: bytes) -> None:
        self.started = True
        if self.held:
            data = self.held + data
        while True:
            end = data.find(b"\r\n\r\n", 0, self.header_bytes)
            if end < 0:
                self._hold(data)
                return
            block, data = data[:end], data[end + 4 :]
            head = self.known.answers.found(block) or read_answer(block, self.known)
            if head.status >= 200:
                self._begin(head, data)
                return
            self._interim(head)

    def _begin(self, head: ResponseHead, data: bytes) -> None:
        bodyless = self.to_head or head.status in _BODYLESS
        if data and len(data) == head.length and not bodyless:  # all of it at once, as most short answers come
            self.reusable = head.keep_alive
            self.sink.whole(head, data)
            self.done = True
            return
        body = self.body = self._reader(head, bodyless=bodyless)
        self.held = b""
        self.reusable = head.keep_alive and not isinstance(body, CloseReader)
        empty = body.done
        self.sink.begun(head, bodyless=bodyless, more=bool(data) and not empty)
        if empty:
            self._end(data)
        elif data:
            payload = body.feed(data)
            self.sink.piece(payload, data if body.whole else None)
            if body.done:
                self._end(body.rest)

    def _hold(self, data: bytes) -> None:
        check_partial(data[: self.header_bytes])
        if len(data) >= self.header_bytes:
            raise Malformed("a head that is too long")
        self.held = data

    def _interim(self, head: ResponseHead) -> None:
        self.interims += 1
        if head.status == _SWITCHING or head.chunked or head.length or self.interims > _MAX_INTERIM:
            raise Malformed(f"an interim answer that cannot be ({head.status})")
        self.sink.interim(head)

    def _reader(self, head: ResponseHead, *, bodyless: bool) -> BodyReader:
        if bodyless:
            return LengthReader(0)
        if head.chunked:
            return ChunkedReader(self.known)
        return CloseReader() if head.length is None else LengthReader(head.length)

    def _end(self, rest: bytes) -> None:
        self.done = True
        if rest:
            # More than was asked for: this answer is whole, but nothing else can be read off this connection.
            self.reusable = False
