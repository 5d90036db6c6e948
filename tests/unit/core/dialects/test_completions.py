import json

import pytest

from gateway.core.dialects import Answer, Body, Turn, Usage, decode
from gateway.core.exchange import Route
from tests.unit.core.dialects import official
from tests.unit.core.dialects.official import as_json, asked, completion


def read(request: Body, reply: dict[str, object]) -> tuple[Answer, ...]:
    return decode(Route.COMPLETIONS, request, as_json(reply)).answers


@pytest.mark.parametrize(
    ("request_", "turns", "unread"),
    [
        (asked(prompt="once"), (Turn("user", "once"),), ()),
        (asked(prompt="once", suffix="end"), (Turn("user", "once\nend"),), ()),
        (asked(prompt=["a", "b"]), (Turn("user", "a"), Turn("user", "b")), ("conversations",)),
        (asked(prompt=[1, 2]), (Turn("user", "", ("tokens",)),), ()),
        (asked(prompt=[[1, 2]]), (Turn("user", "", ("tokens",)),), ()),
        (asked(prompt=["a", [1]]), (Turn("user", "a"), Turn("user", "", ("tokens",))), ("conversations",)),
        (asked(prompt=None, prompt_embeds="x"), (Turn("user", "", ("tokens",)),), ()),
        (asked(), (), ()),
    ],
)
def test_prompts_of_every_kind(request_: Body, turns: tuple[Turn, ...], unread: tuple[str, ...]) -> None:
    got = decode(Route.COMPLETIONS, request_, Body(b""))
    assert (got.turns, got.unread) == (turns, unread)


def test_choices_in_order_with_usage() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    reply = completion(
        {"index": 1, "text": " b"}, {"index": 0, "text": " a", "finish_reason": "length"}, usage=usage
    )
    got = decode(Route.COMPLETIONS, asked(prompt="x", n=2), as_json(reply))
    assert got.answers == (Answer(" a", finish_reason="length"), Answer(" b", finish_reason="stop"))
    assert got.usage == Usage(1, 2)


def test_echo_repeats_the_prompt_and_the_answer_is_what_follows() -> None:
    texts = ["one A", "one B", "two C", "two D"]
    reply = completion(*({"text": text} for text in texts))
    got = read(asked(prompt=["one ", "two "], echo=True, n=2), reply)
    assert [answer.text for answer in got] == ["A", "B", "C", "D"]
    assert [answer.text for answer in read(asked(prompt="one ", n=4), reply)] == texts
    assert read(asked(prompt=[1], echo=True), completion({"text": "x"}))[0].text == "x"


def test_a_stream_and_one_that_broke_off() -> None:
    def event(index: int, text: str, finish_reason: str | None = None) -> str:
        return json.dumps({"choices": [{"index": index, "text": text, "finish_reason": finish_reason}]})

    events = [event(0, "a"), event(1, "b"), event(0, "A", "stop"), event(1, "B")]
    got = decode(Route.COMPLETIONS, asked(prompt="x", n=2), official.stream(events, done=False))
    assert got.answers == (Answer("aA", finish_reason="stop"), Answer("bB", complete=False))
    error = decode(Route.COMPLETIONS, asked(prompt="x"), official.stream(['{"error":{"message":"no"}}']))
    assert (error.answers, error.error) == ((), "no")
