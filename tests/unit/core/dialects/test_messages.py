from typing import Any

from gateway.core.dialects import Answer, Body, Turn, Usage, decode
from gateway.core.exchange import Route
from tests.unit.core.dialects.official import as_json, asked, message, message_stream

HELLO = asked(max_tokens=9, messages=[{"role": "user", "content": "hello"}])
TEXT = {"type": "text", "text": "hi", "citations": None}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}}


def test_every_turn_is_read() -> None:
    request = asked(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "data": "x"}},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a paper"}},
                    {"type": "document", "source": {"type": "base64", "data": "x"}},
                ],
            },
            {"role": "assistant", "content": [THINKING, {"type": "text", "text": "seen"}, USE]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "text", "text": "42"}, {"type": "image"}],
                    },
                    {"type": "tool_result", "tool_use_id": "u", "content": "43"},
                    {"type": "text", "text": "go on"},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "v"}]},
            {"role": "assistant", "content": "pre"},
        ],
    )
    assert decode(Route.MESSAGES, request, Body(b"")).turns == (
        Turn("system", "Be brief."),
        Turn("user", "see\na paper", ("image", "file")),
        Turn("assistant", 'seen\nf {"x":1}'),
        Turn("tool", "42", ("image",)),
        Turn("tool", "43"),
        Turn("user", "go on"),
        Turn("tool", ""),
        Turn("assistant", "pre"),
    )


def test_a_whole_answer() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    got = decode(
        Route.MESSAGES, HELLO, as_json(message(THINKING, redacted, TEXT, TEXT, USE, stop_reason="tool_use"))
    )
    assert got.answers == (Answer("hihi", "hm", ('f {"x":1}',), "tool_use"),)
    assert (got.usage, got.unread) == (Usage(3, 5), ())


def delta(index: int, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


STREAM = [
    {"type": "message_start", "message": message(stop_reason=None, usage={"input_tokens": 3, "output_tokens": 1})},
    start(0, {**THINKING, "thinking": ""}),
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="s"),
    start(1, {**TEXT, "text": ""}),
    delta(1, type="text_delta", text="h"),
    delta(1, type="text_delta", text="i"),
    {"type": "content_block_stop", "index": 1},
    start(2, {**USE, "input": {}}),
    delta(2, type="input_json_delta", partial_json='{"x"'),
    delta(2, type="input_json_delta", partial_json=":1}"),
]
END: list[dict[str, Any]] = [
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None, "container": None},
        "usage": {"output_tokens": 5},
    },
    {"type": "message_stop"},
]


def test_a_streamed_answer() -> None:
    got = decode(Route.MESSAGES, HELLO, message_stream(*STREAM, *END))
    assert got.answers == (Answer("hi", "hm", ('f {"x":1}',), "end_turn"),)
    assert got.usage == Usage(3, 5)


def test_a_stream_that_broke_off_is_not_complete() -> None:
    got = decode(Route.MESSAGES, HELLO, message_stream(*STREAM[:7]))
    assert got.answers == (Answer("h", "hm", complete=False),)


def test_errors_whole_and_in_a_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    got = decode(Route.MESSAGES, HELLO, as_json(error))
    assert (got.answers, got.error) == ((), "busy")
    begun = message_stream(*STREAM[:7])
    broken = Body(
        begun.content + b'event: error\ndata: {"type":"error","error":{"message":"busy"}}\n\n', begun.content_type
    )
    got = decode(Route.MESSAGES, HELLO, broken)
    assert (got.answers[0].complete, got.error) == (False, "busy")
