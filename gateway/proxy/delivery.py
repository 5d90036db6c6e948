"""Gets one request to an endpoint and the answer back.

What is tried again, and nothing else: a connection that could not be made goes to another endpoint of the arm
and then to the arm's `fail_over`; a reused connection that ends before the first byte of an answer is replaced
by a new one, once.
"""

import asyncio
import socket
import ssl

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

_UNAVAILABLE = (502, 503, 504)
"""Statuses that speak of the server. Another 5xx may be of the client's own making: it is counted by its code, and
neither ejects nor clears an endpoint."""


class ForwardedDelivery:
    """One exchange's way to an endpoint. Sends `exchange.body`, with the model's name replaced where the arm
    knows it by another.
    """

    __slots__ = (
        "_arm",
        "_connecting",
        "_connection",
        "_course",
        "_endpoint",
        "_exchange",
        "_relay",
        "_renewed",
        "_tried_another",
    )

    def __init__(self, exchange: Exchange, course: Course) -> None:
        self._exchange = exchange
        self._course = course
        self._arm: ArmEndpoints = course.arm
        self._relay = Relay(exchange)
        self._endpoint: Endpoint | None = None
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._renewed = False
        self._tried_another = False

    def start(self) -> None:
        """Begin. Whatever happens, the exchange is told."""
        self._exchange.serve(self._arm.arm)
        self._try_arm(errors.no_endpoint(self._arm.model), avoid=None)

    def drop(self) -> None:
        """See exchange.Delivery."""
        self._leave()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def pause(self) -> None:
        """See exchange.Delivery."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """See exchange.Delivery."""
        if self._connection is not None:
            self._connection.resume()

    def timed_out(self, waited_for: str, seconds: float, *, at_fault: bool) -> None:
        """A deadline has passed. `at_fault`: the endpoint was silent."""
        if at_fault and self._endpoint is not None:
            self._endpoint.failed("timeout")
        self._exchange.fail(errors.upstream_timeout(self._arm.arm, seconds, waited_for))

    def answered(self, reader: AnswerReader) -> None:
        """See upstream.User."""
        self._connection = None
        if self._endpoint is not None:
            if (status := self._exchange.status) in _UNAVAILABLE:
                self._endpoint.failed("unavailable")
            elif status < 500:
                self._endpoint.succeeded()
        self._relay.end(reader.trailers)
        self._exchange.finish(Reason.COMPLETE)

    def broken(self, reader: AnswerReader, *, malformed: bool) -> None:
        """See upstream.User."""
        connection, endpoint = self._connection, self._endpoint
        self._connection = None
        if connection is None or endpoint is None:
            return
        if connection.used and not reader.started and not self._renewed:
            self._renewed = True
            self._connect(endpoint)
            return
        endpoint.failed("malformed" if malformed else "reset")
        error = errors.upstream_malformed if malformed else errors.upstream_reset
        self._exchange.fail(error(self._arm.arm))

    def _try_arm(self, error: GatewayError, avoid: Endpoint | None) -> None:
        """Try an endpoint of the arm; when it has none, the arm that it fails over to; then tell `error`."""
        endpoint = self._pick(avoid)
        if endpoint is None:
            self._fail_over(error)
            return
        self._enter(endpoint)
        connection = self._exchange.services.pool.take(endpoint)
        if connection is None:
            self._connect(endpoint)
        else:
            self._send(connection)

    def _pick(self, avoid: Endpoint | None) -> Endpoint | None:
        if self._course.endpoint is not None:
            return None if avoid is self._course.endpoint else self._course.endpoint
        return self._arm.pick(self._course.affinity, avoid)

    def _fail_over(self, error: GatewayError) -> None:
        services = self._exchange.services
        other = services.steering.fail_over(self._course) if self._arm is self._course.arm else None
        if other is None:
            self._exchange.fail(error)
            return
        services.instruments.failed_over(self._arm.model, self._course.assignment.assigned)
        self._arm = other
        self._tried_another = False
        self._exchange.serve(other.arm)
        self._try_arm(error, avoid=None)

    def _connect(self, endpoint: Endpoint) -> None:
        services = self._exchange.services
        self._connecting = services.tasks.spawn("connect", self._connected(endpoint))

    async def _connected(self, endpoint: Endpoint) -> None:
        services = self._exchange.services
        seconds = services.deadlines.connect
        try:
            async with asyncio.timeout(seconds):
                connection = await services.pool.connect(endpoint)
        except TimeoutError:
            self._refused(
                endpoint, "connect_timeout", errors.upstream_timeout(self._arm.arm, seconds, "connection")
            )
        except OSError as error:
            self._refused(endpoint, _kind(error), errors.upstream_refused(self._arm.arm))
        else:
            self._connecting = None
            self._send(connection)

    def _refused(self, endpoint: Endpoint, kind: str, error: GatewayError) -> None:
        self._connecting = None
        endpoint.failed(kind)
        self._leave()
        if self._tried_another:
            self._fail_over(error)
        else:
            self._tried_another = True
            self._try_arm(error, avoid=endpoint)

    def _send(self, connection: UpstreamConnection) -> None:
        exchange = self._exchange
        services = exchange.services
        self._connection = connection
        body = self._body()
        reader = AnswerReader(
            self._relay,
            services.answer_lines,
            services.limits.header_bytes,
            to_head=exchange.head is not None and exchange.head.method == b"HEAD",
        )
        exchange.endpoint = connection.endpoint.url
        if exchange.sent_at is None:
            now = exchange.sent_at = services.clock.monotonic()
            services.instruments.overhead(self._arm.model, now - exchange.received_at)
        connection.send(messages.request_head(exchange, connection, len(body)) + body, reader, self)
        if exchange.paused:
            connection.pause()

    def _body(self) -> bytes:
        exchange, served = self._exchange, self._arm.served_name
        envelope, head = exchange.envelope, exchange.head
        if not served or envelope is None or head is None or envelope.model == served:
            return exchange.body
        content_type = head.fields.get(b"content-type", b"").decode("latin-1")
        start, end = exchange.services.envelopes.model_span(exchange.body, content_type)
        return b"".join((exchange.body[:start], replacement(served, content_type), exchange.body[end:]))

    def _enter(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        endpoint.in_flight += 1

    def _leave(self) -> None:
        if self._endpoint is not None:
            self._endpoint.in_flight -= 1
            self._endpoint = None


def _kind(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, socket.gaierror):
        return "dns"
    return "tls" if isinstance(error, ssl.SSLError) else "unreachable"
