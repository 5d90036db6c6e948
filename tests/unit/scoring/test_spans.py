"""What a span says of an exchange, in every dialect, and what it never says."""

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from classifiers.exchange import Answer, Turn
from classifiers.verdict import Finding, PrincipleFinding, Severity, Verdict, Why
from gateway.core.exchange import Reason, Route
from gateway.core.tracecontext import Trace
from gateway.events.schema import ExchangeV1, Payload, VerdictV1
from gateway.scoring.spans import ExchangeSpans
from gateway.scoring.texts import KeptText
from gateway.telemetry.genai import CONTENT_CHARS
from tests.support.events import exchange as sample
from tests.support.events import verdict as verdict_of
from tests.support.manual_clock import ManualClock

TRACE_ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NOW_US = 1_760_000_000_000_000
SECRET = "nobody else's business"
CHAT = msgspec.json.encode(
    {
        "model": "assistant",
        "messages": [{"role": "user", "content": SECRET}],
        "max_tokens": 60,
        "temperature": 0.5,
        "user": "ann",
    }
)
TOKENS = {"prompt_tokens": 7, "completion_tokens": 2, "input_tokens": 7, "output_tokens": 2}
TEXT = {"type": "text", "text": "yes"}
SAID: dict[Route, dict[str, object]] = {
    Route.CHAT: {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    },
    Route.COMPLETIONS: {"id": "cmpl-1", "choices": [{"index": 0, "text": "yes", "finish_reason": "stop"}]},
    Route.RESPONSES: {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{**TEXT, "type": "output_text"}]}],
    },
    Route.MESSAGES: {"id": "msg_1", "role": "assistant", "content": [TEXT], "stop_reason": "end_turn"},
}
ANSWERS = {
    route: msgspec.json.encode({"model": "acme/v2", "usage": TOKENS, **said}) for route, said in SAID.items()
}


def made(route: Route = Route.CHAT, answer: bytes = b"", *, sampled: bool = True, **changes: object) -> ExchangeV1:
    body = answer or ANSWERS[route]
    kind = "text/event-stream" if body.startswith((b"data:", b"event:")) else "application/json"
    base = msgspec.structs.replace(
        sample(1),
        route=route,
        request=Payload(len(CHAT), CHAT, truncated=False, content_type="application/json"),
        response=Payload(len(body), body, truncated=False, content_type=kind),
        endpoint="http://vllm-b:8000",
        trace=Trace(TRACE_ID, "00000000000000ab", PARENT, sampled),
    )
    return msgspec.structs.replace(base, **changes)


def spans_of(
    exchange: ExchangeV1, found: Verdict, text: KeptText | None = None, *, content: bool = False
) -> list[ReadableSpan]:
    sent: list[ReadableSpan] = []
    trace_id = "" if exchange.trace is None else exchange.trace.kept(violates=bool(found.violations))
    verdict: VerdictV1 = msgspec.structs.replace(verdict_of(1), verdict=found, trace_id=trace_id)
    ExchangeSpans("gateway-a", sent.extend, ManualClock(NOW_US), content=content).tell([(exchange, verdict, text)])
    return sent


UPHOLDS = Verdict((PrincipleFinding("manners", Finding.UPHOLDS, 0.1),), "c" * 64, {})
VIOLATES = Verdict(
    (
        PrincipleFinding("manners", Finding.UPHOLDS, 0.1),
        PrincipleFinding("weapons", Finding.VIOLATES, 0.9, by="encoder", severity=Severity.HIGH),
    ),
    "c" * 64,
    {},
    provocations=("privacy",),
    refusal=True,
    refusal_probability=0.8,
    over_refusal=False,
)


@pytest.mark.parametrize("route", list(ANSWERS))
def test_each_dialect_says_what_was_asked_and_answered(route: Route) -> None:
    (span,) = spans_of(made(route), UPHOLDS)
    found = dict(span.attributes or {})
    assert span.name == ("text_completion assistant" if route is Route.COMPLETIONS else "chat assistant")
    assert span.kind is SpanKind.CLIENT
    assert found["gen_ai.request.model"] == "assistant"
    assert found["gen_ai.request.max_tokens"] == 60
    assert found["gen_ai.request.temperature"] == 0.5
    assert found["gen_ai.response.model"] == "acme/v2"
    assert found["gen_ai.response.id"] in {"chatcmpl-1", "cmpl-1", "resp_1", "msg_1"}
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (7, 2)
    assert (found["server.address"], found["server.port"]) == ("vllm-b", 8000)
    assert span.status.status_code is StatusCode.UNSET
    assert SECRET not in span.to_json()
    assert "ann" not in span.to_json()


def test_a_stream_says_the_same() -> None:
    first = b'data: {"id":"chatcmpl-1","model":"acme/v2","choices":[{"index":0,"delta":{"content":"yes"}}]}\n\n'
    last = (
        b'data: {"id":"chatcmpl-1","model":"acme/v2","choices":[{"index":0,"delta":{},"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
    )
    (span,) = spans_of(made(Route.CHAT, first + last), UPHOLDS)
    found = dict(span.attributes or {})
    assert found["gen_ai.response.id"] == "chatcmpl-1"
    assert found["gen_ai.response.finish_reasons"] == ["length"]
    assert found["gen_ai.usage.output_tokens"] == 2
    message = msgspec.json.encode({"type": "message_start", "message": {"id": "msg_1", "model": "acme/v2"}})
    begun = b"event: message_start\ndata: " + message + b"\n\n"
    (span,) = spans_of(made(Route.MESSAGES, begun), UPHOLDS)
    assert dict(span.attributes or {})["gen_ai.response.id"] == "msg_1"


def test_its_place_is_that_of_the_exchange() -> None:
    exchange = made()
    (span,) = spans_of(exchange, UPHOLDS)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.context.span_id:016x}" == "00000000000000ab"
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.start_time == exchange.timing.started_us * 1000
    assert span.end_time == span.start_time + int(exchange.timing.total_seconds * 1e9)


def test_assignment_and_verdict_are_events() -> None:
    (span,) = spans_of(made(), VIOLATES)
    first, *found = span.events
    assert first.name == "feature_flag.evaluation"
    assert dict(first.attributes or {})["feature_flag.result.variant"] == made().assignment.assigned
    assert {each.name for each in found} == {"gen_ai.evaluation.result"}
    said = {dict(each.attributes or {})["gen_ai.evaluation.name"]: dict(each.attributes or {}) for each in found}
    assert {name: each["gen_ai.evaluation.score.label"] for name, each in said.items()} == {
        "constitution": "violates",
        "weapons": "violates",
        "privacy": "provoked",
        "refusal": "refusal",
    }
    assert said["weapons"]["gen_ai.evaluation.score.value"] == 0.9
    assert said["weapons"]["tipstaff.severity"] == "high"


def test_what_could_not_be_evaluated_is_no_upholding() -> None:
    (span,) = spans_of(made(), Verdict((), "c" * 64, {}, not_evaluated=Why.TOO_LONG))
    labels = [dict(each.attributes or {}).get("gen_ai.evaluation.score.label") for each in span.events[1:]]
    assert labels == ["not_evaluated: too_long"]


def test_those_that_violate_are_always_kept() -> None:
    assert spans_of(made(sampled=False), UPHOLDS) == []
    (span,) = spans_of(made(sampled=False), VIOLATES)
    assert span.context is not None
    assert span.context.trace_flags.sampled
    assert spans_of(msgspec.structs.replace(made(), trace=None), VIOLATES) == []


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (200, Reason.UPSTREAM_RESET, "upstream_reset"),
        (503, Reason.COMPLETE, "503"),
        (400, Reason.COMPLETE, "400"),
        (200, Reason.CLIENT_GONE, None),
        (200, Reason.COMPLETE, None),
    ],
)
def test_errors(status: int, reason: Reason, error: str | None) -> None:
    (span,) = spans_of(made(status=status, reason=reason), UPHOLDS)
    assert dict(span.attributes or {}).get("error.type") == error
    assert (span.status.status_code is StatusCode.ERROR) == (error is not None)


def test_nothing_that_cannot_be_read_is_in_the_way() -> None:
    nothing = Payload(10, None, truncated=False)
    (span,) = spans_of(made(request=nothing, response=nothing), UPHOLDS)
    assert "gen_ai.response.id" not in dict(span.attributes or {})
    cut = Payload(100, b'{"model":"assi', truncated=True, content_type="application/json")
    assert spans_of(made(request=cut, response=cut), UPHOLDS)


def test_messages_are_in_it_only_when_asked_for() -> None:
    text = KeptText(
        "1" * 32, "assistant", (Turn("user", "[redacted] asks"),), (Answer("yes", finish_reason="stop"),)
    )
    (span,) = spans_of(made(), UPHOLDS, text)
    assert "gen_ai.input.messages" not in dict(span.attributes or {})
    (span,) = spans_of(made(), UPHOLDS, text, content=True)
    found = dict(span.attributes or {})
    assert msgspec.json.decode(str(found["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": "[redacted] asks"}]}
    ]
    assert msgspec.json.decode(str(found["gen_ai.output.messages"]))[0]["finish_reason"] == "stop"
    assert SECRET not in span.to_json()


def test_opentelemetrys_own_variables_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    (span,) = spans_of(made(), UPHOLDS)
    assert span.resource.attributes["service.name"] == "tipstaff"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "chat-gateway")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
    (span,) = spans_of(made(), UPHOLDS)
    assert span.resource.attributes["service.name"] == "chat-gateway"
    assert span.resource.attributes["deployment.environment.name"] == "prod"
    assert span.resource.attributes["service.instance.id"] == "gateway-a"


def test_long_messages_are_cut_the_answer_last() -> None:
    text = KeptText(
        "1" * 32, "assistant", (Turn("user", "q" * 50_000), Turn("user", "last")), (Answer("a" * 5_000),)
    )
    (span,) = spans_of(made(), UPHOLDS, text, content=True)
    found = dict(span.attributes or {})
    first, last = msgspec.json.decode(str(found["gen_ai.input.messages"]))
    assert msgspec.json.decode(str(found["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "a" * 5_000
    assert last["parts"][0]["content"] == "last"
    assert first["parts"][0]["content"].endswith("qq[cut]")
    assert len(str(found["gen_ai.input.messages"])) < CONTENT_CHARS


def test_numbers_that_otlp_does_not_have_stay_out() -> None:
    body = b'{"model":"assistant","seed":99999999999999999999999,"max_tokens":true,"top_p":0.5,"n":"2"}'
    request = Payload(len(body), body, truncated=False, content_type="application/json")
    (span,) = spans_of(made(request=request), UPHOLDS)
    asked = {key: value for key, value in dict(span.attributes or {}).items() if key.startswith("gen_ai.request.")}
    assert asked.keys() == {"gen_ai.request.model", "gen_ai.request.stream", "gen_ai.request.top_p"}


def test_what_a_client_called_its_request_stays_out() -> None:
    answer = {"model": "acme/v2", **SAID[Route.CHAT], "id": "chatcmpl-ann-77"}
    body = msgspec.json.encode(answer)
    (span,) = spans_of(made(answer=body), UPHOLDS)
    assert dict(span.attributes or {})["gen_ai.response.id"] == "chatcmpl-ann-77"
    (span,) = spans_of(made(answer=body, headers={"x-request-id": "ann-77"}), UPHOLDS)
    assert "ann-77" not in span.to_json()


def test_what_is_no_name_of_a_servers_stays_out() -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "yes"},
        "finish_reason": "ann@example.org left",
    }
    answer = {"id": "resp ann@example.org", "model": "of ann@example.org", "choices": [choice]}
    (span,) = spans_of(made(answer=msgspec.json.encode(answer)), UPHOLDS)
    assert "ann@" not in span.to_json()
    assert dict(span.attributes or {})["gen_ai.response.finish_reasons"] == ["other"]


def test_tool_calls_are_messages_too() -> None:
    text = KeptText("1" * 32, "assistant", (), (Answer("", tool_calls=('look_up {"what": "sea"}',)),))
    (span,) = spans_of(made(), UPHOLDS, text, content=True)
    (said,) = msgspec.json.decode(str(dict(span.attributes or {})["gen_ai.output.messages"]))
    assert said["parts"][1] == {"type": "tool_call", "name": "look_up", "arguments": '{"what": "sea"}'}
