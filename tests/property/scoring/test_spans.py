"""Whatever a client and a server wrote, a span comes of it, and OTLP has it."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from classifiers.exchange import Answer, Turn
from gateway.core.exchange import Route
from gateway.events.schema import Payload
from gateway.scoring.texts import KeptText
from tests.unit.scoring.test_spans import VIOLATES, made, spans_of

HUGE = st.integers(min_value=1 << 63)
NUMBERS = st.one_of(st.integers(), HUGE, st.floats(), st.booleans(), st.none(), st.text(max_size=5))
WORDS = st.one_of(st.text(max_size=20), st.none(), st.integers())
ASKED = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("seed", "n", "max_tokens", "temperature", "top_k", "model"), NUMBERS)
)
SAID = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "model", "object"), WORDS))


def body(content: bytes, kind: str) -> Payload:
    return Payload(len(content), content, truncated=False, content_type=kind)


@settings(settings.get_profile("thorough"), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from([Route.CHAT, Route.COMPLETIONS, Route.RESPONSES, Route.MESSAGES]),
    request=st.one_of(st.binary(max_size=200), ASKED.map(msgspec.json.encode)),
    response=st.one_of(st.binary(max_size=200), SAID.map(msgspec.json.encode)),
    kind=st.sampled_from(["application/json", "text/event-stream", ""]),
    texts=st.lists(st.text(), max_size=3),
)
def test_any_exchange_has_a_span(
    route: Route, request: bytes, response: bytes, kind: str, texts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    exchange = made(route, b"{}", request=body(request, kind), response=body(response, kind))
    kept = KeptText("1" * 32, "assistant", tuple(Turn("user", text) for text in texts), (Answer("yes"),))
    (span,) = spans_of(exchange, VIOLATES, kept, content=True)
    assert encode_spans([span]).SerializePartialToString()
    assert not caplog.records, "OpenTelemetry complains of what it cannot write"
