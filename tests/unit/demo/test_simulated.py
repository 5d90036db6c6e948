"""The simulated model: the same for the same request, as bad as it is told to be, labelled everywhere."""

import json
from typing import Any

import pytest

from gateway.core.dialects import Body, decode
from gateway.core.exchange import Route
from gateway.demo.behaviour import Behaviour, Schedule, steady
from gateway.demo.simulated import FINGERPRINT, Ask, ChatMessage, SimulatedModel, Unanswerable, chunks, whole
from gateway.demo.wording import ANSWERS, COMPLIES, REFUSAL

PROMPT = next(iter(ANSWERS))
CALM = Behaviour()


def ask(prompt: str = PROMPT, seed: int = 0, **more: Any) -> Ask:  # noqa: ANN401 - fields of Ask
    return Ask(model="m", messages=[ChatMessage("user", prompt)], seed=seed, **more)


def texts(behaviour: Behaviour, prompt: str = PROMPT, count: int = 2000) -> list[str]:
    model = SimulatedModel("m", seed=1)
    return [model.replies(ask(prompt, seed), behaviour)[0].text for seed in range(count)]


def test_the_same_request_gets_the_same_answer_and_another_model_another() -> None:
    behaviour = Behaviour(misdeeds={"leaks": 0.5})
    first = [SimulatedModel("m", 1).replies(ask(seed=n), behaviour) for n in range(50)]
    assert first == [SimulatedModel("m", 1).replies(ask(seed=n), behaviour) for n in range(50)]
    assert first != [SimulatedModel("m", 2).replies(ask(seed=n), behaviour) for n in range(50)]


def test_rates_are_those_that_were_asked_for() -> None:
    found = texts(Behaviour(misdeeds={"leaks": 0.1, "preaches": 0.2}, over_refusing=0.1))
    assert sum(text == REFUSAL for text in found) / 2000 == pytest.approx(0.1, abs=0.03)
    assert sum("remind you" in text for text in found) / 2000 == pytest.approx(0.18, abs=0.03)
    assert sum(text.startswith(ANSWERS[PROMPT]) and text != ANSWERS[PROMPT] for text in found) / 2000 == (
        pytest.approx(0.09, abs=0.03)
    )
    provoking = next(iter(COMPLIES))
    assert set(texts(CALM, provoking)) == {REFUSAL}
    assert sum(text != REFUSAL for text in texts(Behaviour(complying=0.3), provoking)) / 2000 == (
        pytest.approx(0.3, abs=0.04)
    )


def test_a_calm_model_only_gives_good_answers() -> None:
    assert set(texts(CALM, count=100)) == {ANSWERS[PROMPT]}


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
    replies = SimulatedModel("m", 1).replies(asked, Behaviour(misdeeds={"leaks": 0.5}))
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
