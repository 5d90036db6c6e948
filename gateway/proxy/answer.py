"""Reads one answer off an upstream connection: interim answers, head, body, trailers.

Pure: bytes in, calls to a Sink out. What is not exactly one well-formed answer raises Malformed.
"""

from typing import Protocol

from gateway.proxy.framing import BodyReader, ChunkedReader, CloseReader, LengthReader
from gateway.proxy.http1 import HeaderLines, Malformed, ResponseHead, check_partial, read_answer

_MAX_INTERIM = 32
_SWITCHING = 101
_BODYLESS = (204, 304)


class Sink(Protocol):
    """Whoever gets an answer, in this order: interim*, begun, piece*. The end is the connection's to tell."""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer; the real one is still to come."""

    def begun(self, head: ResponseHead, *, bodyless: bool, more: bool) -> None:
        """The answer's head. `bodyless`: nothing follows, whatever it says. `more`: a `piece` comes at once."""

    def piece(self, payload: bytes, chunk: bytes | None) -> None:
        """A piece of the body as it arrived; `chunk`: the same with its framing, when it is exactly one chunk.

        Empty only right after `begun` promised more.
        """


class AnswerReader:
    """One answer. `to_head`: it answers a HEAD request, so no body follows.

    `started`: a byte of it has arrived. `done`: it is all there. `reusable`: the connection can carry another.
    """

    __slots__ = (
        "_body",
        "_bound",
        "_head",
        "_interims",
        "_known",
        "_sink",
        "_to_head",
        "done",
        "reusable",
        "started",
    )

    def __init__(self, sink: Sink, known: HeaderLines, header_bytes: int, *, to_head: bool) -> None:
        self._sink = sink
        self._known = known
        self._bound = header_bytes
        self._to_head = to_head
        self._head = b""
        self._interims = 0
        self._body: BodyReader | None = None
        self.started = False
        self.done = False
        self.reusable = False

    @property
    def trailers(self) -> list[bytes]:
        """Header lines after the last chunk."""
        return self._body.trailers if isinstance(self._body, ChunkedReader) else []

    def feed(self, data: bytes) -> None:
        """Take what arrived; hand on what it holds. Raises Malformed. Not after `done`."""
        body = self._body
        first = body is None
        if body is None:
            self.started = True
            data = self._feed_head(data)
            body = self._body
            if body is None or not data:
                return
        payload = body.feed(data)
        if payload or first:
            self._sink.piece(payload, data if body.whole else None)
        if body.done:
            self._end(body.rest)

    def eof(self) -> bool:
        """The connection ended: True when that is how this answer ends."""
        if self.done:
            return True
        self.done = isinstance(self._body, CloseReader)
        return self.done

    def _feed_head(self, data: bytes) -> bytes:
        data = self._head + data if self._head else data
        while True:
            end = data.find(b"\r\n\r\n", 0, self._bound)
            if end < 0:
                self._hold(data)
                return b""
            head = read_answer(data[:end], self._known)
            data = data[end + 4 :]
            if head.status >= 200:
                self._begin(head, data)
                return b"" if self.done else data
            self._interim(head)

    def _hold(self, data: bytes) -> None:
        check_partial(data[: self._bound])
        if len(data) >= self._bound:
            raise Malformed("a head that is too long")
        self._head = data

    def _interim(self, head: ResponseHead) -> None:
        self._interims += 1
        if head.status == _SWITCHING or head.chunked or head.length or self._interims > _MAX_INTERIM:
            raise Malformed(f"an interim answer that cannot be ({head.status})")
        self._sink.interim(head)

    def _begin(self, head: ResponseHead, rest: bytes) -> None:
        self._head = b""
        bodyless = self._to_head or head.status in _BODYLESS
        body = self._reader(head, bodyless=bodyless)
        self._body = body
        self.reusable = head.keep_alive and not isinstance(body, CloseReader)
        self._sink.begun(head, bodyless=bodyless, more=bool(rest) and not body.done)
        if body.done:
            self._end(rest)

    def _reader(self, head: ResponseHead, *, bodyless: bool) -> BodyReader:
        if bodyless:
            return LengthReader(0)
        if head.chunked:
            return ChunkedReader(self._known)
        return CloseReader() if head.length is None else LengthReader(head.length)

    def _end(self, rest: bytes) -> None:
        self.done = True
        if rest:
            # More than was asked for: this answer is whole, but nothing else can be read off this connection.
            self.reusable = False
