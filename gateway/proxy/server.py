"""Client connections: requests are read one after another, each answered before the next is looked at."""

import asyncio
import math
import select
import socket
import struct
from collections.abc import Callable
from typing import cast

from gateway.core import errors
from gateway.core.errors import GatewayError
from gateway.proxy import messages
from gateway.proxy.dispatch import Dispatcher
from gateway.proxy.exchange import Exchange
from gateway.proxy.framing import BodyReader, ChunkedReader, LengthReader
from gateway.proxy.http1 import Malformed, RequestHead, check_partial, read_request
from gateway.proxy.services import Services
from gateway.proxy.tap import Tap
from gateway.proxy.upstream import without_delay

PIPELINE_BYTES = 64 << 10
"""Input that waits behind a request in flight; more is left in the socket."""

_AT_ONCE = 16
"""Requests answered in a row before others get their turn."""
_RESET = struct.pack("ii", 1, 0)


class RequestBody:
    """A body that is being read. `parts` hold what has come."""

    __slots__ = ("parts", "reader", "size")

    def __init__(self, reader: BodyReader) -> None:
        self.reader = reader
        self.parts: list[bytes] = []
        self.size = 0


class ClientConnection(asyncio.Protocol):
    """One client. In one of four states: idle or reading a head (no exchange), reading a body (`_body`), being
    answered (an exchange without `_body`), ending (`_ending`: what still comes is thrown away).
    """

    __slots__ = (
        "_advancing",
        "_began",
        "_blank",
        "_blocked",
        "_body",
        "_deaf",
        "_dispatcher",
        "_ending",
        "_exchange",
        "_held",
        "_services",
        "_transport",
        "idle_since",
        "peer",
    )

    _transport: asyncio.Transport

    def __init__(self, services: Services, dispatcher: Dispatcher) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._exchange: Exchange | None = None
        self._body: RequestBody | None = None
        self._held = b""
        self._began: float | None = None
        self._blank = False
        self._advancing = False
        self._blocked = False
        self._deaf = False
        self._ending = False
        self.idle_since = math.inf
        """When its last answer had been given (`Services.now`); infinite while something is under way."""
        self.peer = b""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: a client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        without_delay(self._transport)
        name = transport.get_extra_info("peername")
        self.peer = name[0].encode() if isinstance(name, tuple) else b"unknown"
        services = self._services
        services.connections.add(self)
        services.instruments.connections.inc()
        if len(services.connections) > services.limits.connections:
            self._refuse(errors.too_many_connections(services.limits.connections))
        else:
            self.idle_since = services.now

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes."""
        if self._ending:
            return
        self._held = held = self._held + data if self._held else data
        if self._exchange is None or self._body is not None:
            self._advance()
        elif len(held) > PIPELINE_BYTES and not self._deaf:
            self._deaf = True
            self._transport.pause_reading()
            self._services.deaf.add(self)
            self._services.deafened.set()

    def eof_received(self) -> bool:
        """asyncio: the client sends no more: it has gone, as far as an exchange is concerned."""
        self.gone()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """asyncio: the connection is no more."""
        self.gone()
        services = self._services
        services.connections.discard(self)
        if services.draining and not services.connections:
            services.emptied.set()
        services.instruments.connections.inc(-1)
        services.heads.discard(self)
        services.lingering.discard(self)

    def pause_writing(self) -> None:
        """asyncio: the client takes less than it gets."""
        self._blocked = True
        exchange = self._exchange
        if exchange is not None:
            exchange.paused = True
            if exchange.delivery is not None:
                exchange.delivery.pause()

    def resume_writing(self) -> None:
        """asyncio: the client has caught up."""
        self._blocked = False
        exchange = self._exchange
        if exchange is None:
            self._advance()
            return
        exchange.paused = False
        if exchange.delivery is not None:
            exchange.delivery.resume()

    # What an exchange calls.

    def write(self, data: bytes) -> None:
        """See exchange.Client."""
        if not self._ending:
            self._transport.write(data)

    def writer(self) -> Callable[[bytes], None]:
        """See exchange.Client."""
        return self._transport.write

    def unsent(self) -> int:
        """See exchange.Client."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """See exchange.Client. A reset: a mere end could be taken for the end of the answer."""
        self._ending = True
        connection = self._transport.get_extra_info("socket")
        if connection is not None and not self._transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def over(self, exchange: Exchange) -> None:
        """See exchange.Client."""
        whole = self._body is None and exchange.head is not None
        self._exchange = None
        if self._body is not None:
            self._body = None
            self._services.bodies.discard(self)
        if self._ending:
            return
        if not whole or not exchange.keep_alive or self._services.draining:
            self._end(linger=not whole or bool(self._held))
            return
        self.idle_since = self._services.now
        if self._deaf:
            self._hear()
        if self._held and not self._advancing:
            self._advance()

    # What the sweep and the drain call.

    def gone(self) -> None:
        """The client has left: its exchange is over, and what it was sent is for nobody."""
        self._ending = True
        self._services.deaf.discard(self)
        if self._exchange is not None:
            self._exchange.left()

    def hung_up(self) -> bool:
        """True when the client has closed its side; for a connection that is not being read."""
        connection = self._transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))

    def leave(self) -> None:
        """Close when nothing is under way, else after the answer (drain, idle for too long)."""
        if self._exchange is None:
            self._ending = True
            self.idle_since = math.inf
            self._transport.close()
        else:
            self._exchange.keep_alive = False

    def cut_off(self, error: GatewayError) -> None:
        """End at once: with `error` when an answer has not begun, uncleanly when it has."""
        if self._exchange is not None:
            self._exchange.fail(error)
        else:
            self.give_up()

    def give_up(self) -> None:
        """Close at once: what was to come has not come."""
        self._ending = True
        self._transport.abort()

    def late(self, seconds: float) -> None:
        """A head or a body has not arrived in time."""
        error = errors.request_timeout(seconds)
        if self._exchange is not None:
            self._exchange.fail(error)
        else:
            self._refuse(error)

    # Reading requests.

    def _advance(self) -> None:
        """Go as far as the input reaches, in turns of _AT_ONCE requests."""
        self._advancing = True
        left = _AT_ONCE
        while self._held and not self._ending and not self._blocked:
            if self._exchange is None:
                if not left:
                    asyncio.get_running_loop().call_soon(self._advance_later)
                    break
                left -= 1
                if not self._begin():
                    break
            elif self._body is not None:
                self._read_body(self._exchange, self._body)
            else:
                break
        self._advancing = False

    def _advance_later(self) -> None:
        if self._exchange is None or self._body is not None:
            self._advance()

    def _begin(self) -> bool:
        """Read a head: False when it is not all there."""
        data, bound = self._held, self._services.limits.header_bytes
        if not self._blank and data.startswith(b"\r\n"):  # one empty line before a request is tolerated
            self._blank = True
            self._held = data = data[2:]
        end = data.find(b"\r\n\r\n", 0, bound)
        try:
            if end < 0:
                self._await_head(data, bound)
                return False
            head = read_request(data[:end], self._services.request_lines)
            if len(head.target) > bound // 4:
                raise errors.uri_too_long(bound // 4)
        except Malformed as error:
            self._refuse(errors.malformed(str(error)))
        except GatewayError as error:
            self._refuse(error)
        else:
            self._held = data[end + 4 :]
            self._receive(head)
        return True

    def _await_head(self, data: bytes, bound: int) -> None:
        check_partial(data[:bound])
        if len(data) >= bound:
            line_ended = data.find(b"\r\n", 0, bound) >= 0
            raise errors.header_too_large(bound) if line_ended else errors.uri_too_long(bound // 4)
        if data and self._began is None:
            self._began = self._services.clock.monotonic()
            self.idle_since = math.inf
            self._services.heads.add(self)

    def _receive(self, head: RequestHead) -> None:
        """A head is there: find its route, then its body."""
        exchange = self._open(head)
        length, held, services = head.length, self._held, self._services
        limits = services.limits
        try:
            exchange.resolved = resolved = self._dispatcher.resolve(head)
            exchange.route = resolved.route
            exchange.key = self._dispatcher.admitted(head, resolved)
            if length > limits.body_bytes or length > resolved.body_bytes:
                raise resolved.too_large(limits.body_bytes)
            if head.chunked or length > len(held):
                self._await_body(head)
                return
            if length:
                if not services.buffered.take(length):
                    raise errors.buffers_full(limits.buffered_bytes)
                exchange.held = length
                exchange.body = held[:length]
                self._held = held[length:]
        except GatewayError as error:
            if head.chunked or length > len(held):
                self._body = RequestBody(LengthReader(0))  # never read: the connection ends
                exchange.keep_alive = False
            else:
                self._held = held[length:]
            exchange.fail(error)
        else:
            self._dispatcher.dispatch(exchange, head, resolved)

    def _open(self, head: RequestHead | None) -> Exchange:
        services = self._services
        clock = services.clock
        now, now_us = clock.monotonic(), clock.now_us()
        began = self._began
        if began is None:
            began = now
        else:
            services.heads.discard(self)
            self._began = None
        self._blank = False
        self.idle_since = math.inf
        keep_alive = head is not None and head.keep_alive and not services.draining
        exchange = Exchange(services, self, head, services.ids.new(now_us), now_us, began, now, Tap(0), keep_alive)
        exchange.paused = self._blocked
        self._exchange = exchange
        return exchange

    def _await_body(self, head: RequestHead) -> None:
        services = self._services
        known = services.request_lines
        self._body = RequestBody(ChunkedReader(known) if head.chunked else LengthReader(head.length))
        services.bodies.add(self)
        if head.expects_continue and not self._held:
            self.write(messages.CONTINUE)

    def _read_body(self, exchange: Exchange, body: RequestBody) -> None:
        data, self._held = self._held, b""
        try:
            piece = body.reader.feed(data)
            self._take(exchange, body, piece)
        except Malformed as error:
            exchange.fail(errors.malformed(str(error)))
        except GatewayError as error:
            exchange.fail(error)
        else:
            if body.reader.done:
                self._held = body.reader.rest
                self._body = None
                self._services.bodies.discard(self)
                exchange.body = body.parts[0] if len(body.parts) == 1 else b"".join(body.parts)
                exchange.received_at = self._services.clock.monotonic()
                if exchange.head is not None and exchange.resolved is not None:
                    self._dispatcher.dispatch(exchange, exchange.head, exchange.resolved)

    def _take(self, exchange: Exchange, body: RequestBody, piece: bytes) -> None:
        if not piece:
            return
        services = self._services
        body.size += len(piece)
        resolved, bound = exchange.resolved, services.limits.body_bytes
        if resolved is not None and body.size > min(bound, resolved.body_bytes):
            raise resolved.too_large(bound)
        if not exchange.hold(len(piece)):
            raise errors.buffers_full(services.limits.buffered_bytes)
        body.parts.append(piece)
        if not body.reader.done:
            services.bodies.add(self)

    # Ending.

    def _refuse(self, error: GatewayError) -> None:
        """Answer what cannot be read as a request, and end."""
        self._open(None).fail(error)

    def _end(self, *, linger: bool) -> None:
        """Close once all is sent. With input left unread, closing at once would reset the connection and take the
        answer with it: so say that nothing follows, and read on for a while, for nobody.
        """
        self._ending = True
        self._held = b""
        if not linger or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._services.lingering.add(self)
        if self._deaf:
            self._hear()
        self._transport.write_eof()

    def _hear(self) -> None:
        self._deaf = False
        self._services.deaf.discard(self)
        self._transport.resume_reading()
