"""Bodies that the official packages' own types accept, so that what is decoded is what servers of them send."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from gateway.core.dialects import Body

STREAM = "text/event-stream; charset=utf-8"


def asked(**request: object) -> Body:
    return Body(json.dumps({"model": "m", **request}).encode(), "application/json")


def whole(kind: type[BaseModel], value: Mapping[str, Any]) -> Body:
    return Body(kind.model_validate(value).model_dump_json().encode(), "application/json")


def chat(*choices: dict[str, Any], **more: object) -> Body:
    filled = [
        {"index": at, "logprobs": None, "finish_reason": "stop", **choice} for at, choice in enumerate(choices)
    ]
    return whole(
        ChatCompletion,
        {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": filled, **more},
    )


def chat_stream(*events: dict[str, Any], done: bool = True) -> Body:
    common = {"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    chunks = [
        ChatCompletionChunk.model_validate({**common, **event}).model_dump_json(exclude_unset=True)
        for event in events
    ]
    return stream(chunks, done=done)


def delta(index: int = 0, finish_reason: str | None = None, **fields: object) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish_reason}]}


def completion(*choices: dict[str, Any], **more: object) -> dict[str, Any]:
    filled = [
        {"index": at, "logprobs": None, "finish_reason": "stop", **choice} for at, choice in enumerate(choices)
    ]
    value = {"id": "c", "created": 1, "model": "m", "object": "text_completion", "choices": filled, **more}
    return Completion.model_validate(value).model_dump()


def response(*output: dict[str, Any], **more: object) -> dict[str, Any]:
    value = {
        "id": "resp_1", "created_at": 1, "model": "m", "object": "response", "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], "output": list(output), "status": "completed", **more,
    }  # fmt: skip
    return Response.model_validate(value).model_dump(mode="json")


def response_stream(*events: dict[str, Any]) -> Body:
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    numbered = ({"sequence_number": at, **event} for at, event in enumerate(events))
    return typed(adapter.dump_python(adapter.validate_python(event), mode="json") for event in numbered)


def message(*content: dict[str, Any], **more: object) -> dict[str, Any]:
    value = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 5}, **more,
    }  # fmt: skip
    return Message.model_validate(value).model_dump(mode="json")


def message_stream(*events: dict[str, Any]) -> Body:
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    return typed(adapter.dump_python(adapter.validate_python(event), mode="json") for event in events)


def typed(events: Iterable[dict[str, Any]]) -> Body:
    """Events with their type on the event line, too."""
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Body("".join(lines).encode(), STREAM)


def stream(events: Iterable[str], *, done: bool = True) -> Body:
    ends = ["[DONE]"] if done else []
    return Body("".join(f"data: {event}\n\n" for event in [*events, *ends]).encode(), STREAM)


def as_json(value: object) -> Body:
    return Body(json.dumps(value).encode(), "application/json")
