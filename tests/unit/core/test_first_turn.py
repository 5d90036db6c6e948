import json
from typing import Any

import pytest

from gateway.core.exchange import Route
from gateway.core.first_turn import first_turn

SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi"}
MORE = {"role": "user", "content": "more"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}}


def chat(*messages: dict[str, Any]) -> bytes | None:
    return first_turn(Route.CHAT, json.dumps({"model": "m", "messages": messages}).encode())


def text(value: str, type_: str = "text", **more: object) -> dict[str, object]:
    return {"type": type_, "text": value, **more}


def test_later_turns_keep_the_material() -> None:
    first = chat(SYSTEM, HELLO)
    assert first is not None
    assert chat(SYSTEM, HELLO, ANSWER, MORE) == first
    assert chat({**SYSTEM, "role": "developer"}, HELLO, ANSWER, {"role": "tool", "content": "x"}) == first


def test_another_opening_is_another_conversation() -> None:
    openings = [(SYSTEM, HELLO), (SYSTEM, MORE), (HELLO,), ({"role": "user", "content": "Be brief."}, HELLO)]
    assert len({chat(*opening) for opening in openings}) == len(openings)


def test_string_and_text_part_are_the_same_content() -> None:
    parts = {"role": "user", "content": [text("hello")]}
    assert chat(SYSTEM, parts) == chat(SYSTEM, HELLO)
    assert chat(SYSTEM, {"role": "user", "content": [text("hel"), text("lo")]}) != chat(SYSTEM, HELLO)


def test_other_parts_count_whatever_the_order_of_their_keys() -> None:
    turned = {"image_url": {"url": "data:,x", "detail": "low"}, "type": "image_url"}
    with_image = chat({"role": "user", "content": [text("hello"), IMAGE]})
    assert chat({"role": "user", "content": [text("hello"), turned]}) == with_image != chat(HELLO)


def test_messages_have_their_system_prompt_apart_and_cache_marks_move() -> None:
    def ask(system: object, *messages: dict[str, Any]) -> bytes | None:
        return first_turn(Route.MESSAGES, json.dumps({"system": system, "messages": messages}).encode())

    marked = text("hello", cache_control={"type": "ephemeral"})
    picture = {"type": "image", "source": {"data": "x"}}
    assert ask("Be brief.", HELLO) == ask([text("Be brief.")], {"role": "user", "content": [marked]}, ANSWER, MORE)
    assert ask("Be brief.", HELLO) != ask("Be long.", HELLO)
    assert ask("", {"role": "user", "content": [{**picture, "cache_control": {"type": "ephemeral"}}]}) == ask(
        "", {"role": "user", "content": [picture]}
    )


def test_responses_take_a_string_or_items() -> None:
    def ask(**body: object) -> bytes | None:
        return first_turn(Route.RESPONSES, json.dumps(body).encode())

    first = ask(instructions="Be brief.", input="hello")
    assert first is not None
    items = [
        {"type": "message", "role": "user", "content": [text("hello", "input_text")]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        MORE,
    ]
    assert ask(instructions="Be brief.", input=items) == first
    assert ask(input="hello") != first
    assert ask(input="") is None


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.CHAT, b"{}"),
        (Route.CHAT, b'{"messages":[]}'),
        (Route.CHAT, b'{"messages":[{"role":"system","content":"x"}]}'),
        (Route.CHAT, b'{"messages":[[{"role":"user","content":"x"}]]}'),
        (Route.CHAT, b'{"messages":"x"}'),
        (Route.CHAT, b"\xff"),
        (Route.CHAT, b'{"messages":[{"role":"user","content":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"),
        (Route.COMPLETIONS, b'{"prompt":"x"}'),
        (Route.OTHER, b'{"input":"x"}'),
    ],
)
def test_no_conversation(route: Route, body: bytes) -> None:
    assert first_turn(route, body) is None
