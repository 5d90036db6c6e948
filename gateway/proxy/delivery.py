"""Gets one request to an endpoint and the answer back.

What is tried again, and nothing else: a connection that could not be made goes to another endpoint of the arm
and then to the arm's `fail_over`; a reused connection that ends before the first byte of an answer is replaced
by a new one, once.
"""

import asyncio
import errno
import socket
import ssl

import msgspec

from gateway.core import errors
from gateway.core.envelope import replacement
from gateway.core.errors import GatewayError
from gateway.core.exchange import Reason
from gateway.proxy import messages
from gateway.proxy.answer import AnswerReader
from gateway.proxy.endpoints import ArmEndpoints, Endpoint
from gateway.proxy.exchange import Exchange
from gateway.proxy.relay import Relay
from gateway.proxy.steering import Course
from gateway.proxy.upstream import UpstreamConnection

_OWN_LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
"""Why a connection was not made although its endpoint may be well."""
_UNAVAILABLE = (502, 503, 504)
"""Statuses that speak of the server. Another 5xx may be of the client's own making: it is counted by its code, and
neither ejects nor clears an endpoint."""


class ForwardedDelivery(msgspec.Struct, eq=False):
    """One exchange's way to an endpoint. Sends `exchange.body`, with the model's name replaced where the arm
    knows it by another.
    """

    exchange: Exchange
    course: Course
    arm: ArmEndpoints
    relay: Relay
    endpoint: Endpoint | None = None
    connection: UpstreamConnection | None = None
    connecting: asyncio.Task[None] | None = None
    renewed: bool = False
    tried_another: bool = False

    def start(self) -> None:
        """Begin. Whatever happens, the exchange is told."""
        self.exchange.serve(self.arm.arm)
        self._try_arm(None, avoid=None)

    def drop(self) -> None:
        """See exchange.Delivery."""
        if self.endpoint is not None:
            self.endpoint.in_flight -= 1
            self.endpoint = None
        if self.connecting is not None:
            self.connecting.cancel()
        if self.connection is not None:
            self.connection.abort()
            self.connection = None

    def pause(self) -> None:
        """See exchange.Delivery."""
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        """See exchange.Delivery."""
        if self.connection is not None:
            self.connection.resume()

    def timed_out(self, waited_for: str, seconds: float, *, at_fault: bool) -> None:
        """A deadline has passed. `at_fault`: the endpoint was silent."""
        if at_fault and self.endpoint is not None:
            self.endpoint.failed("timeout")
        self.exchange.fail(errors.upstream_timeout(self.arm.arm, seconds, waited_for))

    def answered(self, reader: AnswerReader) -> None:
        """See upstream.User."""
        self.connection = None
        exchange, endpoint = self.exchange, self.endpoint
        if endpoint is not None:
            if exchange.status in _UNAVAILABLE:
                endpoint.failed("unavailable")
            elif exchange.status < 500:
                endpoint.succeeded()
        if self.relay.chunked:
            self.relay.end(reader.trailers)
        exchange.finish(Reason.COMPLETE)

    def broken(self, reader: AnswerReader, *, malformed: bool) -> None:
        """See upstream.User."""
        connection, endpoint = self.connection, self.endpoint
        self.connection = None
        if connection is None or endpoint is None:
            return
        if connection.used and not reader.started and not self.renewed:
            self.renewed = True
            self._connect(endpoint)
            return
        endpoint.failed("malformed" if malformed else "reset")
        error = errors.upstream_malformed if malformed else errors.upstream_reset
        self.exchange.fail(error(self.arm.arm))

    def _try_arm(self, error: GatewayError | None, avoid: Endpoint | None) -> None:
        """Try an endpoint of the arm; when it has none, the arm that it fails over to; then tell `error`, or that
        there is none.
        """
        pinned = self.course.endpoint
        if pinned is None:
            endpoint = self.arm.pick(self.course.affinity, avoid)
        else:
            endpoint = None if avoid is pinned else pinned
        if endpoint is None:
            self._fail_over(error or errors.no_endpoint(self.arm.model))
            return
        self.endpoint = endpoint
        endpoint.in_flight += 1
        connection = self.exchange.services.pool.take(endpoint)
        if connection is None:
            self._connect(endpoint)
        else:
            self._send(connection)

    def _fail_over(self, error: GatewayError) -> None:
        services = self.exchange.services
        other = services.steering.fail_over(self.course) if self.arm is self.course.arm else None
        if other is None:
            self.exchange.fail(error)
            return
        services.instruments.failed_over(self.arm.model, self.course.assignment.assigned)
        self.arm = other
        self.tried_another = False
        self.exchange.serve(other.arm)
        self._try_arm(error, avoid=None)

    def _connect(self, endpoint: Endpoint) -> None:
        services = self.exchange.services
        self.connecting = services.tasks.spawn("connect", self._connected(endpoint))
        self.connecting.add_done_callback(self._connect_ended)

    def _connect_ended(self, task: asyncio.Task[None]) -> None:
        """Whatever kills a task (the supervisor reports it) must not leave a client waiting."""
        if not task.cancelled() and task.exception() is not None:
            self.exchange.fail(errors.upstream_refused(self.arm.arm))

    async def _connected(self, endpoint: Endpoint) -> None:
        services = self.exchange.services
        seconds = services.deadlines.connect
        try:
            async with asyncio.timeout(seconds):
                connection = await services.pool.connect(endpoint)
        except TimeoutError:
            self._refused(endpoint, "connect_timeout", errors.upstream_timeout(self.arm.arm, seconds, "connection"))
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in _OWN_LIMITS:
                self.connecting = None
                self.exchange.fail(errors.out_of_connections())  # says nothing of the endpoint, and none is better
                return
            self._refused(endpoint, _kind(error), errors.upstream_refused(self.arm.arm))
        else:
            self.connecting = None
            self._send(connection)

    def _refused(self, endpoint: Endpoint, kind: str, error: GatewayError) -> None:
        self.connecting = None
        endpoint.failed(kind)
        if self.endpoint is not None:
            self.endpoint.in_flight -= 1
            self.endpoint = None
        if self.tried_another:
            self._fail_over(error)
        else:
            self.tried_another = True
            self._try_arm(error, avoid=endpoint)

    def _send(self, connection: UpstreamConnection) -> None:
        exchange = self.exchange
        services = exchange.services
        body = exchange.body
        if self.arm.served_name:
            try:
                body = self._renamed()
            except GatewayError as error:
                services.pool.put(connection)
                exchange.fail(error)
                return
        self.connection = connection
        to_head = exchange.head is not None and exchange.head.method == b"HEAD"
        reader = AnswerReader(self.relay, services.answer_lines, services.limits.header_bytes, to_head)
        exchange.endpoint = connection.endpoint.url
        if exchange.sent_at is None:
            now = exchange.sent_at = services.clock.monotonic()
            if exchange.series is not None:
                exchange.series.overhead.observe(now - exchange.received_at)
        connection.send(messages.request_head(exchange, connection, len(body)), body, reader, self)
        if exchange.paused:
            connection.pause()

    def _renamed(self) -> bytes:
        """The body with the name under which the arm knows the model."""
        exchange, served = self.exchange, self.arm.served_name
        envelope, content_type = exchange.envelope, exchange.content_type
        if envelope is None or envelope.model == served:
            return exchange.body
        start, end = exchange.services.envelopes.model_span(exchange.body, content_type)
        return b"".join((exchange.body[:start], replacement(served, content_type), exchange.body[end:]))


def _kind(error: OSError | UnicodeError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "dns"
    return "tls" if isinstance(error, ssl.SSLError) else "unreachable"
