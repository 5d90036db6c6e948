import json

from gateway.core.dialects import Answer, Body, Turn, Usage, decode
from gateway.core.exchange import Route
from tests.unit.core.dialects import official
from tests.unit.core.dialects.official import asked, chat, chat_stream, delta

HELLO = asked(messages=[{"role": "user", "content": "hello"}])
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def test_every_turn_is_read() -> None:
    request = asked(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is"},
                    {"type": "text", "text": "this?"},
                    {"type": "image_url", "image_url": {"url": "data:,x"}},
                    {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
                    {"type": "audio_url", "audio_url": {"url": "x"}},
                    {"type": "file", "file": {"file_id": "f"}},
                    {"type": "something_new"},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "t", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "t", "content": [{"type": "text", "text": "a cat"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]},
            {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
            {"role": "critic", "content": "hm"},
        ]
    )
    assert decode(Route.CHAT, request, Body(b"")).turns == (
        Turn("system", "Be brief."),
        Turn("user", "What is\nthis?", ("image", "audio", "file", "something_new")),
        Turn("assistant", 'look {"at":1}'),
        Turn("tool", "a cat"),
        Turn("assistant", "I cannot."),
        Turn("assistant", "old {}"),
        Turn("user", "hm"),
    )


def test_all_choices_of_a_whole_answer() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x = 1"}},
    ]
    got = decode(
        Route.CHAT,
        HELLO,
        chat(
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "tool_calls": calls},
                "finish_reason": "tool_calls",
            },
            {"index": 0, "message": {"role": "assistant", "content": "hi", "refusal": None}},
            {
                "index": 2,
                "message": {"role": "assistant", "content": None, "refusal": "No."},
                "finish_reason": "length",
            },
            usage=USAGE,
        ),
    )
    assert got.answers == (
        Answer("hi", finish_reason="stop"),
        Answer("", tool_calls=("f {}", "g x = 1"), finish_reason="tool_calls"),
        Answer("No.", finish_reason="length"),
    )
    assert (got.usage, got.error, got.unread) == (Usage(3, 5), "", ())


def test_vllm_s_reasoning_under_both_names() -> None:
    for name in ("reasoning", "reasoning_content"):
        reply = {"choices": [{"index": 0, "message": {"content": "4", name: "2+2"}, "finish_reason": "stop"}]}
        assert decode(Route.CHAT, HELLO, official.as_json(reply)).answers == (
            Answer("4", reasoning="2+2", finish_reason="stop"),
        )


def test_a_spoken_answer_is_read_by_its_transcript() -> None:
    audio = {"id": "a", "data": "UklGRg==", "expires_at": 1, "transcript": "hello"}
    got = decode(Route.CHAT, HELLO, chat({"message": {"role": "assistant", "content": None, "audio": audio}}))
    assert (got.answers[0].text, got.unread) == ("hello", ("audio",))


def test_streamed_choices_come_interleaved() -> None:
    got = decode(
        Route.CHAT,
        HELLO,
        chat_stream(
            delta(role="assistant", content=""),
            delta(1, role="assistant", content="b"),
            delta(content="h"),
            delta(1, content="ye"),
            delta(content="i"),
            delta(finish_reason="stop"),
            delta(1, finish_reason="length"),
            {"choices": [], "usage": USAGE},
        ),
    )
    assert got.answers == (Answer("hi", finish_reason="stop"), Answer("bye", finish_reason="length"))
    assert got.usage == Usage(3, 5)


def test_streamed_tool_calls_are_joined_by_index() -> None:
    def piece(index: int, name: str | None, arguments: str) -> dict[str, object]:
        return {"index": index, "function": {"name": name, "arguments": arguments}}

    got = decode(
        Route.CHAT,
        HELLO,
        chat_stream(
            delta(tool_calls=[{**piece(0, "f", ""), "id": "a", "type": "function"}]),
            delta(tool_calls=[piece(0, None, '{"x"'), piece(1, "g", "")]),
            delta(tool_calls=[piece(1, None, "{}")]),
            delta(tool_calls=[piece(0, None, ":1}")]),
            delta(finish_reason="tool_calls"),
        ),
    )
    assert got.answers == (Answer("", tool_calls=('f {"x":1}', "g {}"), finish_reason="tool_calls"),)


def test_streamed_reasoning_refusal_and_old_function_calls() -> None:
    events = [
        {"choices": [{"index": 0, "delta": {"reasoning_content": "th"}}]},
        {"choices": [{"index": 0, "delta": {"reasoning": "ink"}}]},
        {"choices": [{"index": 0, "delta": {"refusal": "No"}}]},
        {"choices": [{"index": 0, "delta": {"function_call": {"name": "f", "arguments": "{"}}}]},
        {"choices": [{"index": 0, "delta": {"function_call": {"arguments": "}"}}, "finish_reason": "stop"}]},
    ]
    got = decode(Route.CHAT, HELLO, official.stream(map(json.dumps, events)))
    assert got.answers == (Answer("No", "think", ("f {}",), "stop"),)


def test_a_stream_that_broke_off_is_not_complete() -> None:
    got = decode(
        Route.CHAT, HELLO, chat_stream(delta(content="h"), delta(1, content="x", finish_reason="stop"), done=False)
    )
    assert got.answers == (Answer("h", complete=False), Answer("x", finish_reason="stop"))
    cut = chat_stream(delta(content="h"), delta(content="i")).content[:-40]
    assert decode(Route.CHAT, HELLO, Body(cut, official.STREAM, truncated=True)).answers == (
        Answer("h", complete=False),
    )


def test_an_error_in_a_stream_and_an_answer_that_was_given_up() -> None:
    error = {"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}}
    events = [json.dumps(delta(content="h")), json.dumps(error)]
    got = decode(Route.CHAT, HELLO, official.stream(events))
    assert (got.answers, got.error) == ((Answer("h", complete=False),), "out of memory")
    aborted = decode(Route.CHAT, HELLO, official.stream([json.dumps(delta(finish_reason="abort", content="h"))]))
    assert aborted.answers == (Answer("h", finish_reason="abort", complete=False),)


def test_errors_of_today_s_and_of_old_servers_give_no_answers() -> None:
    for error in ({"error": {"message": "no"}}, {"object": "error", "message": "no"}, {"error": "no"}):
        got = decode(Route.CHAT, HELLO, official.as_json(error))
        assert (got.answers, got.error) == ((), "no")
    assert decode(Route.CHAT, HELLO, Body(b"")).answers == ()


def test_vllm_s_batch_keeps_every_turn_and_says_that_the_pairing_is_lost() -> None:
    request = asked(messages=[[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]])
    got = decode(Route.CHAT, request, chat({"message": {"role": "assistant", "content": "A"}}))
    assert got.turns == (Turn("user", "a"), Turn("user", "b"))
    assert got.unread == ("conversations",)
