"""The official Python clients, pointed at the gateway, find vLLM behind it and their own exceptions."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam, ChatCompletionToolParam

from tests.e2e.conftest import BODY_LIMIT
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(600)  # whoever comes first waits for two servers to start

MODEL = "assistant"
GREEDY = {"temperature": 0}
"""Not every version of the Anthropic client has the parameter."""
TALK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "How are you?"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["unit"],
            "additionalProperties": False,
        },
    },
}
"""A closed set of arguments: also a model that speaks gibberish calls it well."""


@pytest.fixture
def gpt(gateway: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="of-a-client", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def claude(gateway: Stack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="of-a-client", max_retries=0, timeout=60) as client:
        yield client


def on_record(gateway: Stack, response: Any, route: str, *, streamed: bool = False) -> dict[str, Any]:  # noqa: ANN401
    """The exchange of a raw response: found by the id in its header, listed once, with one verdict."""
    identifier = response.headers["x-tipstaff-exchange"]
    exchange = gateway.exchange(identifier)
    assert (exchange["route"], exchange["streamed"], exchange["status"]) == (route, streamed, 200)
    assert exchange["reason"] == "complete"
    assert exchange["verdict"]["not_evaluated"] is None
    assert Counter(each["id"] for each in gateway.exchanges())[identifier] == 1
    return exchange


def test_openai_chat(gateway: Stack, gpt: openai.OpenAI) -> None:
    raw = gpt.chat.completions.with_raw_response.create(model=MODEL, messages=TALK, max_tokens=8, n=2, user="ada")
    completion = raw.parse()
    assert [choice.index for choice in completion.choices] == [0, 1]
    exchange = on_record(gateway, raw, "chat_completions")
    assert exchange["assignment"]["unit_source"] == "body:user"
    kept = [answer["text"] for answer in exchange["text"]["answers"]]
    assert kept == [choice.message.content for choice in completion.choices]


def test_openai_chat_streamed(gateway: Stack, gpt: openai.OpenAI) -> None:
    raw = gpt.chat.completions.with_raw_response.create(
        model=MODEL, messages=TALK, max_tokens=8, n=2, stream=True, stream_options={"include_usage": True}
    )
    said = {0: "", 1: ""}
    chunks = list(raw.parse())
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert chunks[-1].usage is not None
    exchange = on_record(gateway, raw, "chat_completions", streamed=True)
    assert {n: answer["text"] for n, answer in enumerate(exchange["text"]["answers"])} == said


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_openai_tools(gateway: Stack, gpt: openai.OpenAI, *, streamed: bool) -> None:
    raw = gpt.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=TALK,
        max_tokens=200,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        stream=streamed,
    )
    answer = raw.parse()
    if isinstance(answer, ChatCompletion):
        (call,) = answer.choices[0].message.tool_calls or []
        assert call.type == "function"
        name, arguments = call.function.name, call.function.arguments
    else:
        calls = [
            call.function for chunk in answer for call in chunk.choices[0].delta.tool_calls or [] if call.function
        ]
        name = "".join(call.name or "" for call in calls)
        arguments = "".join(call.arguments or "" for call in calls)
    assert name == "weather"
    assert json.loads(arguments)["unit"] in ("celsius", "fahrenheit")
    exchange = on_record(gateway, raw, "chat_completions", streamed=streamed)
    (kept,) = exchange["text"]["answers"][0]["tool_calls"]
    assert "weather" in kept
    assert arguments in kept


def test_openai_completions_and_responses(gateway: Stack, gpt: openai.OpenAI) -> None:
    completion = gpt.completions.with_raw_response.create(
        model=MODEL, prompt="Once upon", max_tokens=8, temperature=0
    )
    assert completion.parse().usage is not None
    on_record(gateway, completion, "completions")
    response = gpt.responses.with_raw_response.create(
        model=MODEL, input="How are you?", max_output_tokens=8, temperature=0
    )
    exchange = on_record(gateway, response, "responses")
    assert exchange["text"]["answers"][0]["text"] == response.parse().output_text
    with gpt.responses.stream(model=MODEL, input="How are you?", max_output_tokens=8) as stream:
        kinds = [event.type for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")


def test_openai_models(gpt: openai.OpenAI) -> None:
    assert [model.id for model in gpt.models.list()] == [MODEL]


def test_anthropic_messages(gateway: Stack, claude: anthropic.Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(
        model=MODEL, max_tokens=8, extra_body=GREEDY, messages=[{"role": "user", "content": "How are you?"}]
    )
    message = raw.parse()
    assert message.usage.output_tokens == 8
    (block,) = message.content
    assert block.type == "text"
    assert on_record(gateway, raw, "messages")["text"]["answers"][0]["text"] == block.text
    counted = claude.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "How are you?"}])
    assert counted.input_tokens == message.usage.input_tokens


def test_anthropic_messages_streamed(gateway: Stack, claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model=MODEL, max_tokens=8, extra_body=GREEDY, messages=[{"role": "user", "content": "How are you?"}]
    ) as stream:
        text = "".join(stream.text_stream)
        assert stream.get_final_message().stop_reason == "max_tokens"
        exchange = on_record(gateway, stream.response, "messages", streamed=True)
    assert exchange["text"]["answers"][0]["text"] == text


def test_openai_errors_are_the_client_s_own(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"'gpt-9' does not exist\. Models here: assistant") as unknown:
        gpt.chat.completions.create(model="gpt-9", messages=TALK)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.APIStatusError, match=f"over the limit of {BODY_LIMIT} bytes") as large:
        gpt.completions.create(model=MODEL, prompt="x" * BODY_LIMIT)
    assert (large.value.status_code, large.value.code) == (413, "body_too_large")
    json_headers: Any = {"headers": {"content-type": "application/json"}}
    with pytest.raises(openai.BadRequestError) as bad:
        gpt.post("/chat/completions", cast_to=object, content=b'{"model": "assistant", ', options=json_headers)
    assert bad.value.code == "invalid_body"
    with pytest.raises(openai.NotFoundError) as route:
        gpt.post("/../sleep", cast_to=object, body={})
    assert route.value.code == "unknown_route"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):  # vLLM's own words come through
        gpt.chat.completions.create(model=MODEL, messages=TALK, max_tokens=-1)


def test_anthropic_errors_are_the_client_s_own(claude: anthropic.Anthropic) -> None:
    talk: Any = [{"role": "user", "content": "How are you?"}]
    with pytest.raises(
        anthropic.NotFoundError, match=r"'claude-9' does not exist\. Models here: assistant"
    ) as unknown:
        claude.messages.create(model="claude-9", max_tokens=8, messages=talk)
    body: Any = unknown.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    with pytest.raises(anthropic.RequestTooLargeError, match=f"over the limit of {BODY_LIMIT} bytes"):
        claude.messages.create(model=MODEL, max_tokens=8, messages=talk, system="x" * BODY_LIMIT)
    json_headers: Any = {"headers": {"content-type": "application/json"}}
    with pytest.raises(anthropic.BadRequestError):
        claude.post("/v1/messages", cast_to=object, content=b'{"model": "assistant", ', options=json_headers)
