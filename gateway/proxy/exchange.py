"""One request and its answer, from the first byte of the one to the last of the other."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.exchange import Reason, Route
from gateway.core.tracecontext import Trace
from gateway.events.schema import ExchangeV1, Payload, Timing
from gateway.proxy import messages
from gateway.proxy.http1 import RequestHead, ResponseHead
from gateway.proxy.tap import Tap

if TYPE_CHECKING:
    from gateway.core.clientkeys import ClientKey
    from gateway.core.envelope import Envelope
    from gateway.core.paths import Resolved
    from gateway.proxy.instruments import Series
    from gateway.proxy.services import Services
    from gateway.proxy.steering import Course

_LAST_EVENT = re.compile(
    rb"(?:^|\n)(?:data: ?\[DONE\]|event: ?(?:message_stop|response\.(?:completed|incomplete|failed))\n)"
)
NO_ANSWER = 499
"""The status of an exchange whose client got none (nginx's convention)."""


class Client(Protocol):
    """The connection that an exchange's request came over."""

    peer: bytes

    def write(self, data: bytes) -> None:
        """Send."""

    def writer(self) -> Callable[[bytes], None]:
        """`write` that doesn't look whether the connection is ending: not for use after the exchange's end."""

    def unsent(self) -> int:
        """Bytes written that the client has not taken."""

    def abort(self) -> None:
        """End the connection so that nobody takes what was sent for the whole."""

    def over(self, exchange: "Exchange") -> None:
        """The exchange has ended; the connection may carry the next."""


class Delivery(Protocol):
    """What gets a request to an endpoint and the answer back."""

    def drop(self) -> None:
        """The exchange is over: abort what is under way."""

    def pause(self) -> None:
        """The client is slower than the endpoint."""

    def resume(self) -> None:
        """The client has caught up."""


class Exchange(msgspec.Struct, eq=False):
    """Ends exactly once, by `finish`, whatever happens.

    Times are monotonic seconds; `began`: when the request's first byte came. `head` is None when the request could
    not be read. `status` is what the client was told.
    """

    services: "Services"
    client: Client
    head: RequestHead | None
    id: str
    started_us: int
    began: float
    received_at: float
    tap: Tap
    keep_alive: bool = False
    status: int = NO_ANSWER
    reason: Reason | None = None
    head_sent: bool = False
    paused: bool = False
    recorded: bool = False
    keeps_text: bool = False
    body: bytes = b""
    held: int = 0
    endpoint: str = ""
    served: str = ""
    resolved: "Resolved | None" = None
    route: Route = Route.OTHER
    """What was asked for; OTHER while that is not known."""
    key: "ClientKey | None" = None
    """The client's, where the gateway has keys of its own and the route asks for one."""
    content_type: str = ""
    """Of the request's body."""
    envelope: "Envelope | None" = None
    course: "Course | None" = None
    series: "Series | None" = None
    trace: Trace | None = None
    """Its place in a trace, where traces are made and it is recorded."""
    delivery: Delivery | None = None
    answered: ResponseHead | None = None
    sent_at: float | None = None
    first_byte_at: float | None = None
    seen: int = -1
    seen_at: float = 0.0

    def hold(self, size: int) -> bool:
        """Count `size` bytes of body in memory until the end; False: there is no room for them."""
        if not self.services.buffered.take(size):
            return False
        self.held += size
        return True

    def serve(self, arm: str) -> None:
        """From here on `arm` is the one that answers."""
        if self.series is not None:
            self.series.in_flight.inc(-1)
        if self.course is None:
            raise AssertionError("no arm before there is a course")
        self.served = arm
        self.series = self.services.instruments.series(self.course.arm.model, arm, self.route)
        self.series.in_flight.inc()

    def answer(self, status: int, headers: messages.Headers, body: bytes) -> None:
        """Answer from here and finish. A HEAD request gets the head only."""
        self._say(status, headers, body)
        self.finish(Reason.COMPLETE)

    def fail(self, error: GatewayError) -> None:
        """Tell the client what went wrong and finish; where an answer has begun, end it uncleanly."""
        if self.reason is not None:
            return
        if self.head_sent:
            self.client.abort()
        else:
            if error.close:
                self.keep_alive = False
            if not error.reason.upstream_fault:
                self.services.instruments.rejected(error.code)
            self._say(error.status, messages.JSON + error.headers, error.body(self.route))
        self.finish(error.reason)

    def left(self) -> None:
        """The client has gone. Many go as soon as they have a stream's last event, before the end of its framing:
        they had the whole answer.
        """
        last = self.tap.last if self.head_sent and self.status == 200 else b""
        self.finish(Reason.COMPLETE if last.endswith(b"\n\n") and _LAST_EVENT.search(last) else Reason.CLIENT_GONE)

    def finish(self, reason: Reason) -> None:
        """The end. Counts, records, lets go; a second call does nothing."""
        if self.reason is not None:
            return
        self.reason = reason
        services = self.services
        services.exchanges.discard(self)
        if self.delivery is not None:
            self.delivery.drop()
            self.delivery = None
        now = services.clock.monotonic()
        self._count(reason, now)
        if self.recorded:
            services.recorder.record(self._record(reason, now))
        services.buffered.taken -= self.held
        self.held = 0
        self.client.over(self)

    def _say(self, status: int, headers: messages.Headers, body: bytes) -> None:
        self.status = status
        self.head_sent = True
        self.first_byte_at = self.services.clock.monotonic()
        self.tap.add(body)
        head = messages.own_head(self, status, headers, len(body))
        self.client.write(head if self.head is not None and self.head.method == b"HEAD" else head + body)

    def _count(self, reason: Reason, now: float) -> None:
        series = self.series
        if series is None:
            series = self.services.instruments.series("", "", self.route)
        else:
            series.in_flight.inc(-1)
        first_byte_at = self.first_byte_at
        if first_byte_at is None:
            series.ended(self.status, reason, now - self.began, None)
            return
        series.ended(self.status, reason, now - self.began, first_byte_at - self.began)
        if self.tap.pieces > 1 and self.envelope is not None and self.envelope.stream:
            series.inter_chunk.observe((now - first_byte_at) / (self.tap.pieces - 1))

    def _record(self, reason: Reason, now: float) -> ExchangeV1:
        course, resolved, head, body = self.course, self.resolved, self.head, self.body
        if course is None or resolved is None or head is None:
            raise AssertionError("only what has a course is recorded")
        assignment = course.assignment
        if assignment.served != self.served:
            assignment = msgspec.structs.replace(assignment, served=self.served)
        return ExchangeV1(
            self.id,
            course.arm.model,
            resolved.route,
            resolved.path,
            assignment,
            self.endpoint,
            self.status,
            reason,
            self.envelope is not None and self.envelope.stream,
            self.tap.pieces,
            Timing(
                self.started_us,
                None if self.sent_at is None else self.sent_at - self.began,
                None if self.first_byte_at is None else self.first_byte_at - self.began,
                now - self.began,
            ),
            Payload(
                len(body),
                body[: self.services.record_bytes] if self.keeps_text else None,  # no copy of one that is shorter
                len(body) > self.services.record_bytes,
                self.content_type,
            ),
            self._answer_payload(),
            messages.kept_headers(head.fields),
            self.trace,
        )

    def _answer_payload(self) -> Payload:
        answered = self.answered
        if answered is None:
            return self.tap.payload("application/json", "", keep=self.keeps_text)
        return self.tap.payload(answered.content_type, answered.content_encoding, keep=self.keeps_text)
