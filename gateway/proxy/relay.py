"""Passes an arm's answer to the client as it comes: the place where a guard would stand instead."""

import re

import msgspec

from gateway.core.exchange import Route
from gateway.proxy import messages
from gateway.proxy.answer import Passage
from gateway.proxy.exchange import Client, Exchange
from gateway.proxy.http1 import ResponseHead
from gateway.proxy.pins import Pin

_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_.:-]{1,250})"')
_ID_WITHIN = 8192


class Relay(msgspec.Struct, eq=False):
    """The Sink of an answer that nothing holds up: every piece is written when it arrives. Used once.

    Chunks stay chunks, a length stays a length; what ends with the connection becomes chunks, or for HTTP/1.0
    the other way round.
    """

    exchange: Exchange
    client: Client
    chunked: bool = False
    head: bytes = b""
    seeking: bytes | None = None
    """What has passed while the response's id is looked for; None: it is not."""

    def interim(self, head: ResponseHead) -> None:
        """See Sink. A 100 is not for the client: its body is here already."""
        request = self.exchange.head
        if head.status != 100 and request is not None and request.minor == 1:
            self.client.write(messages.interim_head(head))

    def begun(self, head: ResponseHead, *, bodyless: bool, more: bool) -> None:
        """See Sink."""
        exchange = self.exchange
        modern = exchange.head is not None and exchange.head.minor == 1
        self.chunked = modern and not bodyless and head.length is None
        if not modern and not bodyless and head.length is None:
            exchange.keep_alive = False
        if exchange.route is Route.RESPONSES and head.status == 200:
            self.seeking = b""
        exchange.status = head.status
        exchange.answered = head
        exchange.head_sent = True
        announced = self.chunked or (modern and bodyless and head.chunked and head.status == 200)
        made = messages.answer_head(exchange, head, chunked=announced)
        if more:
            self.head = made
        else:
            self.client.write(made)

    def whole(self, head: ResponseHead, payload: bytes) -> None:
        """See Sink: `begun` and `piece` in one, for the way that short answers take."""
        exchange = self.exchange
        if exchange.route is Route.RESPONSES:
            self.begun(head, bodyless=False, more=True)
            self.piece(payload, None)
            return
        exchange.status = head.status
        exchange.answered = head
        exchange.head_sent = True
        exchange.tap.add(payload)
        exchange.first_byte_at = exchange.services.clock.monotonic()
        self.client.write(head.passed + messages.ours(exchange) + payload)

    def piece(self, payload: bytes, chunk: bytes | None) -> None:
        """See Sink."""
        exchange, head = self.exchange, self.head
        if payload:
            exchange.tap.add(payload)
            if exchange.first_byte_at is None:
                exchange.first_byte_at = exchange.services.clock.monotonic()
            if self.seeking is not None:
                self._seek(payload)
            if self.chunked:
                payload = chunk if chunk is not None else b"%x\r\n%b\r\n" % (len(payload), payload)
        if head:
            self.head = b""
            payload = head + payload
        self.client.write(payload)

    def passage(self) -> Passage | None:
        """See Sink: once head and a piece are out, where chunks stay chunks and nothing is looked for in them."""
        exchange = self.exchange
        if (
            not self.chunked
            or self.seeking is not None
            or exchange.first_byte_at is None
            or exchange.reason is not None
        ):
            return None
        return Passage(*exchange.tap.keeper(), self.client.writer())

    def end(self, trailers: list[bytes]) -> None:
        """The answer is all there."""
        if self.chunked:
            self.client.write(b"\r\n".join([b"0", *trailers, b"", b""]) if trailers else b"0\r\n\r\n")

    def _seek(self, payload: bytes) -> None:
        """Learn the response's id as soon as it has passed: the client may refer to it before the end."""
        seen = (self.seeking or b"") + payload
        found = _ID.search(seen)
        exchange = self.exchange
        if found is not None and exchange.course is not None:
            pin = Pin(exchange.course.arm.model, exchange.served, exchange.endpoint)
            exchange.services.pins.put(found[1].decode(), pin)
        self.seeking = seen if found is None and len(seen) < _ID_WITHIN else None
