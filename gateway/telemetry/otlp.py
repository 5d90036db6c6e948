"""OpenTelemetry's own exporter of spans over OTLP/HTTP, so that it says what became of them, and not too often."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import requests  # noqa: TID251 - what the exporter speaks
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from gateway.ports import Clock

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CONTENT = frozenset({"true", "1", "span_only", "span_and_event"})
_TELL_SECONDS = 600.0
_EXPORT_SECONDS = 10.0
"""For one request to the collector, the exporter's own tries included."""


def captures_content(environment: Mapping[str, str]) -> bool:
    """Whether messages are to be in spans, by OpenTelemetry's own switch."""
    return environment.get(CONTENT_VARIABLE, "").lower() in _CONTENT


class OtlpExporter:
    """To the collector at `endpoint`, a whole URL. Headers, certificates and compression are taken from
    OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_HEADERS, ...), and no proxy or authority from others.
    """

    def __init__(self, endpoint: str, clock: Clock) -> None:
        logging.getLogger(trace_exporter.__name__).addFilter(SeldomTold(clock.monotonic))
        logging.getLogger("opentelemetry.util.re").addFilter(_without_the_header)
        self._session = session = requests.Session()
        session.trust_env = False
        session.hooks["response"].append(self._look)
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS, session=session)
        self._rejected = 0

    def export(self, spans: Sequence[ReadableSpan]) -> int:
        """Blocks for up to ten seconds; how many of them the collector has taken."""
        self._rejected = 0
        if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            return 0
        return max(len(spans) - self._rejected, 0)

    def shutdown(self) -> None:
        """Ends what is under way."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # as its authors left it
        self._session.close()

    def _look(self, answer: requests.Response, **_: object) -> None:
        """The exporter follows no redirect and takes one for success, and does not read what was rejected."""
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status_code < HTTPStatus.BAD_REQUEST:
            where = answer.headers.get("location", "nowhere")
            answer.close()
            raise requests.TooManyRedirects(f"it answers {answer.status_code} and sends to {where}")
        if answer.ok:
            try:
                said = ExportTraceServiceResponse.FromString(answer.content)
            except DecodeError:
                return  # JSON, or nothing that says more than its status
            self._rejected = said.partial_success.rejected_spans


class SeldomTold(logging.Filter):
    """Lets one record of each level pass in ten minutes: the exporter says for each try why it failed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._told: dict[int, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it passes."""
        now = self._monotonic()
        if now - self._told.get(record.levelno, float("-inf")) < _TELL_SECONDS:
            return False
        self._told[record.levelno] = now
        return True


def _without_the_header(record: logging.LogRecord) -> bool:
    """It quotes a header that it cannot read, and that may be the collector's key."""
    record.msg, record.args = "a header in OTEL_EXPORTER_OTLP_HEADERS is not name=value: it is not sent", ()
    return True
