"""Two real vLLM servers behind the gateway: nobody can tell by the bytes, and everything is on record."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.collector import Collector, attributes
from tests.support.stack import Stack
from tests.support.vllm import FIRST_NAME, SECOND_NAME, Vllm
from tests.support.wait import until

pytestmark = pytest.mark.timeout(600)  # whoever comes first waits for two servers to start

NAMES = {"stable": FIRST_NAME, "canary": SECOND_NAME}
LONG = 30_000
GREEDY = {"temperature": 0, "ignore_eos": True}
TALK = [
    {"role": "system", "content": "Be brief.\n"},
    {"role": "user", "content": "How are you, \u00e4h, Zo\u00eb?"},
]
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat_completions": ("/v1/chat/completions", {"messages": TALK, "max_tokens": 12, **GREEDY}),
    "completions": ("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 12, **GREEDY}),
    "responses": ("/v1/responses", {"input": "How are you?", "max_output_tokens": 12, "temperature": 0}),
    "messages": ("/v1/messages", {"system": "Be brief.", "messages": TALK[1:], "max_tokens": 12, "temperature": 0}),
}
VARYING = re.compile(rb'"(id|created|created_at|item_id|completed_at|sequence_number)":\s?("[^"]*"|[0-9]+)')
"""What differs from one answer of vLLM's to the next."""


def comparable(body: bytes) -> bytes:
    """An answer without what varies."""
    return VARYING.sub(rb'"\1":"-"', body)


def told(stream: bytes) -> tuple[str, list[Any]]:
    """A stream's text, and its events without it: into how many pieces vLLM cuts a text varies with its load."""
    text = ""
    others: list[Any] = []
    for line in comparable(stream).splitlines():
        if line.startswith(b"data: {"):
            event = json.loads(line.removeprefix(b"data: "))
            text += _take_text(event)
            if others[-1:] != [event]:
                others.append(event)
    return text, others


def _take_text(event: dict[str, Any]) -> str:
    """The piece of text in one event, taken out of it."""
    choice = (event.get("choices") or [{}])[0]
    for holder, name in (
        (choice.get("delta"), "content"),
        (choice, "text"),
        (event.get("delta"), "text"),
        (event, "delta"),
    ):
        if isinstance(holder, dict) and isinstance(holder.get(name), str):
            piece: str = holder.pop(name)
            return piece
    return ""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", DIALECTS)
def test_an_answer_is_what_vllm_itself_would_have_said(
    gateway: Stack, vllm_pair: tuple[Vllm, Vllm], user_of: dict[str, str], route: str, *, stream: bool
) -> None:
    path, ask = DIALECTS[route]
    for arm, server in zip(("stable", "canary"), vllm_pair, strict=True):
        # An odd but legal spelling: were the body written anew, it would not survive.
        body = json.dumps({"stream": stream, **ask, "model": "MODEL"}, indent=1, ensure_ascii=False)
        headers = {"content-type": "application/json", "x-user-id": user_of[arm]}
        seen = gateway.client.post(path, content=body.replace("MODEL", "assistant"), headers=headers)
        direct = httpx.post(
            f"{server.url}{path}",
            content=body.replace("MODEL", server.name),
            headers={**headers, **server.headers},
            timeout=60,
        )
        assert seen.status_code == direct.status_code == 200, seen.text
        assert seen.headers["x-tipstaff-arm"] == arm
        assert seen.headers["content-type"] == direct.headers["content-type"]
        if stream:
            assert told(seen.content) == told(direct.content)
            assert seen.content[-30:] == direct.content[-30:]
        else:
            assert comparable(seen.content) == comparable(direct.content)
        assert NAMES[arm].encode() in seen.content
        exchange = gateway.exchange(seen.headers["x-tipstaff-exchange"])
        assert (exchange["route"], exchange["reason"], exchange["streamed"]) == (route, "complete", stream)
        assert (exchange["request_bytes"], exchange["response_bytes"]) == (
            len(body.replace("MODEL", "assistant").encode()),
            len(seen.content),
        )
        assert exchange["text"]["answers"][0]["complete"]
        assert exchange["verdict"]["not_evaluated"] is None


def test_users_come_back_to_their_arm_and_both_arms_get_users(gateway: Stack) -> None:
    served = defaultdict(set)
    for visit in range(2):
        for number in range(30):
            ask = {"model": "assistant", "prompt": f"visit {visit}", "max_tokens": 1}
            answer = gateway.client.post("/v1/completions", json=ask, headers={"x-user-id": f"visitor-{number}"})
            arm = answer.raise_for_status().headers["x-tipstaff-arm"]
            assert answer.json()["model"] == NAMES[arm]
            served[number].add(arm)
    assert all(len(arms) == 1 for arms in served.values())
    stable = sum(arms == {"stable"} for arms in served.values())
    assert 4 <= stable <= 26  # of 30 at one half: outside once in 100,000 salts


def test_the_list_of_models_has_the_configured_name(gateway: Stack) -> None:
    (model,) = gateway.client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["max_model_len"]) == ("assistant", "model", 32768)
    assert gateway.client.get("/v1/models/assistant").json()["id"] == "assistant"


def test_routes_without_a_conversation_pass(gateway: Stack, vllm_server: Vllm, user_of: dict[str, str]) -> None:
    asks: dict[str, dict[str, Any]] = {
        "/tokenize": {"prompt": "Once upon a time"},
        "/detokenize": {"tokens": [78, 79]},
        "/v1/messages/count_tokens": {"messages": TALK[1:]},
        "/v1/embeddings": {"input": "hi"},  # the tiny model has none: vLLM's own 404 comes through
    }
    for path, ask in asks.items():
        seen = gateway.client.post(
            path, json={"model": "assistant", **ask}, headers={"x-user-id": user_of["stable"]}
        )
        direct = httpx.post(f"{vllm_server.url}{path}", json={"model": vllm_server.name, **ask}, timeout=60)
        assert (seen.status_code, seen.content) == (direct.status_code, direct.content), path


ENGINE = (
    *("/metrics", "/load", "/sleep", "/wake_up", "/is_sleeping", "/pause", "/resume", "/collective_rpc"),
    *("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/adapters", "/start_profile", "/stop_profile"),
    *("/update_weights", "/init_weight_transfer_engine", "/reset_prefix_cache", "/abort_requests", "/server_info"),
    *("/scale_elastic_ep", "/is_scaling_elastic_ep", "/invocations", "/docs", "/openapi.json", "/kv_event_sources"),
)
SPELLINGS = ("{}", "/{}", "{}/", "/v1/..{}", "/%2e{}", "{}?model=assistant")


def test_routes_that_operate_the_engine_never_pass(gateway: Stack, vllm_pair: tuple[Vllm, Vllm]) -> None:
    before = [_handled(server) for server in vllm_pair]
    load = {"model": "assistant", "lora_name": "evil", "lora_path": "evil"}
    for path in ENGINE:
        for spelling in SPELLINGS:
            target = httpx.URL(gateway.url).copy_with(raw_path=spelling.format(path).encode())
            for answer in (gateway.client.post(target, json=load), gateway.client.get(target)):
                assert answer.status_code in (400, 404), (answer.request.url, answer.status_code)
                assert answer.json()["error"]["code"] in ("unknown_route", "malformed_request")
    assert [_handled(server) for server in vllm_pair] == before


def _handled(server: Vllm) -> dict[str, float]:
    """By vLLM's own count, requests by route; without what probes and this count itself ask."""
    lines = httpx.get(f"{server.url}/metrics", timeout=10).text.splitlines()
    counts = (line.rsplit(maxsplit=1) for line in lines if line.startswith("http_requests_total{"))
    own = ("/metrics", "/health", "/v1/models", "/version")
    return {series: float(value) for series, value in counts if not any(f'"{path}"' in series for path in own)}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_ends_the_generation(
    gateway: Stack, vllm_pair: tuple[Vllm, Vllm], user_of: dict[str, str], *, stream: bool
) -> None:
    _, server = vllm_pair
    ask = {"model": "assistant", "messages": TALK, "max_tokens": LONG, "stream": stream, "ignore_eos": True}
    before = server.counts()
    _leave_in_the_middle(gateway, server, user_of["canary"], ask)
    until(lambda: server.counts().running == 0, 60, "vLLM stops generating")
    after = server.counts()
    assert after.finished == before.finished
    assert 0 < after.generated - before.generated < LONG
    newest = _newest(gateway)
    assert (newest["reason"], newest["streamed"], newest["served"]) == ("client_gone", stream, "canary")


def _leave_in_the_middle(gateway: Stack, server: Vllm, user: str, ask: dict[str, Any]) -> None:
    path, headers = "/v1/chat/completions", {"x-user-id": user}
    if ask["stream"]:
        with gateway.client.stream("POST", path, json=ask, headers=headers) as answer:
            lines = answer.iter_lines()
            for _ in range(40):
                next(lines)
        return
    generated = server.counts().generated
    with pytest.raises(httpx.ReadTimeout):
        gateway.client.post(path, json=ask, headers=headers, timeout=httpx.Timeout(60, read=1.5))
    assert server.counts().generated > generated


def _newest(gateway: Stack) -> dict[str, Any]:
    gateway.settled()
    found: dict[str, Any] = gateway.exchanges()[0]
    return found


def test_two_names_on_one_server_are_two_arms(vllm_two_names: Vllm, tmp_path: Path) -> None:
    server = vllm_two_names
    arms = {
        "calm": {"endpoints": [server.url], "model": server.names[1]},
        "brisk": {"endpoints": [server.url], "model": server.names[2], "weight": 50},
    }
    ask = {"prompt": "hello", "temperature": 0, "max_tokens": 24, "ignore_eos": True}
    direct = {
        name: _said(httpx.post(f"{server.url}/v1/completions", json={"model": name, **ask}, timeout=60))
        for name in server.names
    }
    with Stack(tmp_path, {"assistant": {"arms": arms}}, expose_arm=True) as stack:
        said = defaultdict(set)
        for number in range(24):
            answer = stack.client.post(
                "/v1/completions", json={"model": "assistant", **ask}, headers={"x-user-id": f"user-{number}"}
            )
            said[answer.headers["x-tipstaff-arm"]].add((answer.json()["model"], _said(answer)))
    assert said == {
        "calm": {(server.names[1], direct[server.names[1]])},
        "brisk": {(server.names[2], direct[server.names[2]])},
    }


def _said(answer: httpx.Response) -> str:
    text: str = answer.raise_for_status().json()["choices"][0]["text"]
    return text


def test_what_vllm_traces_lies_under_our_spans(
    vllm_server: Vllm, vllm_collector: Collector, tmp_path: Path
) -> None:
    arms = {"stable": {"endpoints": [vllm_server.url], "model": vllm_server.name}}
    body = {"messages": TALK, "max_tokens": 12, **GREEDY}
    traces, scoring = {"endpoint": vllm_collector.url, "sample": 0.0}, {"encoder": "none"}
    with Stack(tmp_path, {"assistant": {"arms": arms}}, traces=traces, scoring=scoring) as stack:
        mine = {f"{number:032x}": f"00-{number:032x}-00f067aa0ba902b7-0{number % 2}" for number in range(1, 5)}
        for header in mine.values():
            ask = {"model": "assistant", **body}
            stack.client.post("/v1/chat/completions", json=ask, headers={"traceparent": header}).raise_for_status()
        sampled = [trace_id for trace_id, header in mine.items() if header.endswith("1")]
        until(lambda: all(len(vllm_collector.of(trace_id)) >= 2 for trace_id in sampled), 60, "both have told", 0.1)
        stack.settled()
    for trace_id in sampled:
        spans = {span.name: span for span in vllm_collector.of(trace_id)}
        ours = spans.pop("chat assistant")
        assert ours.parent_span_id.hex() == "00f067aa0ba902b7"
        assert {span.parent_span_id for span in spans.values() if span.parent_span_id not in _ids(spans)} == {
            ours.span_id
        }
        said = attributes(ours.attributes)
        (request,) = [each for each in _said_by(spans) if "gen_ai.usage.completion_tokens" in each]
        assert said["gen_ai.usage.output_tokens"] == request["gen_ai.usage.completion_tokens"] == 12
        assert said["gen_ai.usage.input_tokens"] == request["gen_ai.usage.prompt_tokens"]
    assert not any(vllm_collector.of(trace_id) for trace_id in mine.keys() - set(sampled))


def _said_by(spans: dict[str, Span]) -> list[dict[str, Any]]:
    return [attributes(span.attributes) for span in spans.values()]


def _ids(spans: dict[str, Span]) -> set[bytes]:
    return {span.span_id for span in spans.values()}
