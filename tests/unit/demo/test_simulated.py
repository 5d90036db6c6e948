"""The simulated model: the same for the same request, as bad as it is told to be, labelled everywhere."""

import json
from typing import Any

import pytest

from gateway.core.dialects import Body, decode
from gateway.core.exchange import Route
from gateway.demo.behaviour import Behaviour, Schedule, steady
from gateway.demo.simulated import FINGERPRINT, Ask, ChatMessage, SimulatedModel, Unanswerable, chunks, whole
from gateway.demo.wording import LEAKS, REFUSAL, UNKNOWN, prompts, topics

TOPIC = next(topic for topic in topics().values() if topic.faulty and topic.refuses and not topic.unsafe)
PROMPT = TOPIC.prompt
FAULTY = {answer for answers in TOPIC.faulty.values() for answer in answers}
CALM = Behaviour()


def ask(prompt: str = PROMPT, seed: int = 0, **more: Any) -> Ask:  # noqa: ANN401 - fields of Ask
    return Ask(model="m", messages=[ChatMessage("user", prompt)], seed=seed, **more)


def texts(behaviour: Behaviour, prompt: str = PROMPT, count: int = 2000) -> list[str]:
    model = SimulatedModel("m", seed=1)
    return [model.replies(ask(prompt, seed), behaviour)[0].text for seed in range(count)]


def test_the_same_request_gets_the_same_answer_and_another_model_another() -> None:
    behaviour = Behaviour(leaking=0.5)
    first = [SimulatedModel("m", 1).replies(ask(seed=n), behaviour) for n in range(50)]
    assert first == [SimulatedModel("m", 1).replies(ask(seed=n), behaviour) for n in range(50)]
    assert first != [SimulatedModel("m", 2).replies(ask(seed=n), behaviour) for n in range(50)]


def test_rates_are_those_that_were_asked_for() -> None:
    found = texts(Behaviour(over_refusing=0.1, faulty=0.2, leaking=0.5))
    assert sum(text in (*TOPIC.refuses, REFUSAL) for text in found) / 2000 == pytest.approx(0.1, abs=0.03)
    assert sum(text in FAULTY for text in found) / 2000 == pytest.approx(0.9 * 0.2, abs=0.03)
    assert sum(text.endswith(LEAKS) for text in found) / 2000 == pytest.approx(0.9 * 0.8 * 0.5, abs=0.04)
    unsafe = topics()[prompts(unsafe=True)[0]]
    assert set(texts(CALM, unsafe.prompt)) == {*unsafe.refuses, *unsafe.helps, REFUSAL}
    complying = texts(Behaviour(complying=0.3), unsafe.prompt)
    assert sum(text in unsafe.complies for text in complying) / 2000 == pytest.approx(0.3, abs=0.04)


def test_a_calm_model_only_gives_good_answers() -> None:
    assert set(texts(CALM, count=200)) == set(TOPIC.helps)
    assert set(texts(CALM, "something that nobody wrote down", count=3)) == {UNKNOWN}


def test_a_schedule_changes_at_its_second() -> None:
    worse = Behaviour(over_refusing=1.0)
    schedule = Schedule(((0.0, CALM), (10.0, worse)))
    assert [schedule.at(second) for second in (-1, 0, 9.9, 10, 1e9)] == [CALM, CALM, CALM, worse, worse]
    assert steady(worse).at(-5) == worse


@pytest.mark.parametrize("route", [Route.CHAT, Route.COMPLETIONS])
@pytest.mark.parametrize("streamed", [True, False])
def test_answers_are_in_the_openai_dialect(route: Route, *, streamed: bool) -> None:
    """Read back by the decoder that real servers' answers are read by."""
    asked = ask(n=2, stream=streamed)
    request: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}]}
    if route is Route.COMPLETIONS:
        asked, request = Ask(model="m", prompt=PROMPT, n=2, stream=streamed), {"prompt": PROMPT, "n": 2}
    replies = SimulatedModel("m", 1).replies(asked, Behaviour(leaking=0.5))
    body = b"".join(chunks(asked, replies, 7)) if streamed else whole(asked, replies, 7)
    kind = "text/event-stream" if streamed else "application/json"
    read = decode(route, Body(json.dumps(request).encode(), "application/json"), Body(body, kind))
    assert [answer.text for answer in read.answers] == [reply.text for reply in replies]
    assert all(answer.complete and answer.finish_reason == "stop" for answer in read.answers)
    assert FINGERPRINT.encode() in body


def test_max_tokens_cuts_and_says_so() -> None:
    reply = SimulatedModel("m", 1).replies(ask(max_tokens=3), CALM)[0]
    assert (len(reply.tokens), reply.finish_reason) == (3, "length")


@pytest.mark.parametrize("body", [b"", b"{", b'{"model":"other"}', b'{"model":"m","n":0}', b'{"model":"m","n":99}'])
def test_what_it_cannot_answer_it_says(body: bytes) -> None:
    with pytest.raises(Unanswerable):
        SimulatedModel("m", 1).asked(body)
