from typing import Any

from gateway.core.dialects import Answer, Body, Turn, Usage, decode
from gateway.core.exchange import Route
from tests.unit.core.dialects.official import as_json, asked, response, response_stream

HELLO = asked(input="hello")
USAGE = {
    "input_tokens": 3, "output_tokens": 5, "total_tokens": 8,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip


def text(value: str) -> dict[str, Any]:
    return {"type": "output_text", "text": value, "annotations": []}


def said(*content: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    return {"type": "message", "id": "msg", "role": "assistant", "status": status, "content": list(content)}


CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": '{"x":1}'}
REASONING = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "short"}],
    "content": [{"type": "reasoning_text", "text": "long"}],
}


def test_items_become_turns() -> None:
    request = asked(
        instructions="Be brief.",
        previous_response_id="resp_0",
        input=[
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "x"}],
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "seen"}]},
            REASONING,
            CALL,
            {"type": "function_call_output", "call_id": "c", "output": "42"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "43"}]},
            {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
            {"type": "item_reference", "id": "x"},
        ],
    )
    got = decode(Route.RESPONSES, request, Body(b""))
    assert got.turns == (
        Turn("system", "Be brief."),
        Turn("user", "see", ("image",)),
        Turn("assistant", "seen"),
        Turn("assistant", 'f {"x":1}'),
        Turn("tool", "42"),
        Turn("tool", "43"),
        Turn("tool", "", ("computer_call_output",)),
    )
    assert got.unread == ("previous_response",)
    assert decode(Route.RESPONSES, HELLO, Body(b"")).turns == (Turn("user", "hello"),)


def test_one_answer_of_all_output_items() -> None:
    refusal = {"type": "refusal", "refusal": "No."}
    web = {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "q"}}
    reply = response(REASONING, said(text("a"), text("b")), CALL, web, said(refusal), usage=USAGE)
    got = decode(Route.RESPONSES, HELLO, as_json(reply))
    (answer,) = got.answers
    assert (answer.text, answer.reasoning) == ("a\nb\nNo.", "short\nlong")
    assert answer.tool_calls[0] == 'f {"x":1}'
    assert answer.tool_calls[1].startswith("web_search_call {")
    assert (answer.finish_reason, answer.complete, got.usage) == ("completed", True, Usage(3, 5))


def test_an_image_is_an_answer_that_holds_no_text() -> None:
    image = {"type": "image_generation_call", "id": "i", "status": "completed", "result": "x"}
    got = decode(Route.RESPONSES, HELLO, as_json(response(image)))
    assert (got.answers[0].text, got.unread) == ("", ("image",))


def test_incomplete_failed_and_awaited() -> None:
    cut = response(said(text("a")), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert decode(Route.RESPONSES, HELLO, as_json(cut)).answers == (Answer("a", finish_reason="max_output_tokens"),)
    failed = response(said(text("a")), status="failed", error={"code": "server_error", "message": "broken"})
    got = decode(Route.RESPONSES, HELLO, as_json(failed))
    assert (got.answers, got.error) == ((Answer("a", finish_reason="failed", complete=False),), "broken")
    queued = decode(Route.RESPONSES, HELLO, as_json(response(status="queued", background=True)))
    assert (queued.answers, queued.unread) == ((), ("background",))
    refused = decode(Route.RESPONSES, HELLO, as_json({"error": {"message": "no such model"}}))
    assert (refused.answers, refused.error) == ((), "no such model")


def piece(kind: str, output: int, value: str, **more: object) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": output, "item_id": "i", "delta": value, **more}


STREAM: list[dict[str, Any]] = [
    {"type": "response.created", "response": response(status="in_progress")},
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {**REASONING, "summary": [], "content": None},
    },
    piece("reasoning_text", 0, "lo", content_index=0),
    piece("reasoning_text", 0, "ng", content_index=0),
    {"type": "response.output_item.added", "output_index": 1, "item": said(status="in_progress")},
    piece("output_text", 1, "a", content_index=0, logprobs=[]),
    piece("output_text", 1, "b", content_index=1, logprobs=[]),
    piece("output_text", 1, "a", content_index=0, logprobs=[]),
    piece("refusal", 1, "No.", content_index=2),
    {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
    piece("function_call_arguments", 2, '{"x"'),
    piece("function_call_arguments", 2, ":1}"),
]


def test_a_stream_that_broke_off_is_read_by_its_deltas() -> None:
    got = decode(Route.RESPONSES, HELLO, response_stream(*STREAM))
    assert got.answers == (Answer("aa\nb\nNo.", "long", ('f {"x":1}',), "in_progress", complete=False),)


def test_what_comes_later_of_an_item_replaces_it() -> None:
    done = {"type": "response.output_item.done", "output_index": 1, "item": said(text("whole"))}
    got = decode(Route.RESPONSES, HELLO, response_stream(*STREAM, done))
    assert got.answers[0].text == "whole"
    end = {"type": "response.completed", "response": response(REASONING, said(text("final")), CALL, usage=USAGE)}
    got = decode(Route.RESPONSES, HELLO, response_stream(*STREAM, done, end))
    assert got.answers == (Answer("final", "short\nlong", ('f {"x":1}',), "completed"),)
    assert got.usage == Usage(3, 5)


def test_the_terminal_event_may_come_without_output() -> None:
    end = {"type": "response.completed", "response": response()}
    got = decode(Route.RESPONSES, HELLO, response_stream(*STREAM, end))
    assert (got.answers[0].text, got.answers[0].complete) == ("aa\nb\nNo.", True)


def test_an_error_in_a_stream() -> None:
    error = {"type": "error", "code": "x", "message": "broken", "param": None}
    got = decode(Route.RESPONSES, HELLO, response_stream(STREAM[0], STREAM[5], error))
    assert (got.answers[0].complete, got.error) == (False, "broken")
