"""Spans of exchanges, made from their records once they have verdicts.

Making them here costs the data plane nothing, and what an answer did is known when it is decided whether its span
is kept: those that violate always are.
"""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.events.schema import ExchangeV1, VerdictV1
from gateway.ports import Clock
from gateway.scoring.texts import KeptText
from gateway.telemetry import genai


class ExchangeSpans:
    """Makes spans and hands them to `send`. `source` names this gateway, where OpenTelemetry's variables don't.
    `content`: messages are in them, redacted.
    """

    def __init__(
        self, source: str, send: Callable[[Sequence[ReadableSpan]], None], clock: Clock, *, content: bool = False
    ) -> None:
        ours = {"service.name": "tipstaff", "service.version": __version__, "service.instance.id": source}
        self._resource = Resource(ours).merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope("tipstaff", __version__)
        self._content = content
        self._send = send
        self._clock = clock

    def tell(self, scored: Sequence[tuple[ExchangeV1, VerdictV1, KeptText | None]]) -> None:
        """Exchanges whose verdicts are in the log, with what people may read of them."""
        spans = [self._span(exchange, verdict, text) for exchange, verdict, text in scored if verdict.trace_id]
        if spans:
            self._send(spans)

    def _span(self, exchange: ExchangeV1, verdict: VerdictV1, text: KeptText | None) -> ReadableSpan:
        trace, timing = exchange.trace, exchange.timing
        if trace is None:
            raise AssertionError("a verdict names the trace of its exchange")
        began, found = timing.started_us * 1000, self._clock.now_us() * 1000
        evaluations = genai.evaluations(verdict.verdict)
        return ReadableSpan(
            genai.name(exchange),
            context=_context(trace.trace_id, trace.span_id, remote=False),
            parent=_context(trace.trace_id, trace.parent_id, remote=True) if trace.parent_id else None,
            resource=self._resource,
            attributes=self._attributes(exchange, verdict, text),
            events=[
                Event(genai.ASSIGNMENT, genai.assignment(exchange), timestamp=began),
                *(Event(genai.EVALUATION, each, timestamp=found) for each in evaluations),
            ],
            kind=SpanKind.CLIENT,
            status=_status(exchange),
            start_time=began,
            end_time=began + int(timing.total_seconds * 1e9),
            instrumentation_scope=self._scope,
        )

    def _attributes(self, exchange: ExchangeV1, verdict: VerdictV1, text: KeptText | None) -> genai.Attributes:
        found = genai.attributes(exchange, verdict.verdict)
        if self._content and text is not None:
            found.update(genai.messages(text.turns, text.answers))
        return found


def _context(trace_id: str, span_id: str, *, remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))


def _status(exchange: ExchangeV1) -> Status:
    error = genai.error_type(exchange)
    return Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error)
