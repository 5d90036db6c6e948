"""The demo's story holds for every seed: what is told live is no luck."""

import pytest

from classifiers import constitution
from gateway.app.classifier import classifier_for
from gateway.demo.behaviour import steady
from gateway.demo.fleet import STABLE, TURNING
from gateway.demo.plan import ROLLOUT, SIMULATED, TURN_SECONDS
from gateway.demo.rehearsal import Rehearsal
from gateway.rollout.plan import parse

SEEDS = range(50)
_SECONDS = 110.0
_ROOM = 10.0
"""Seconds that a live demo may be slower."""


@pytest.fixture(scope="module")
def kinds() -> dict[tuple[int, bool], list[tuple[float, str]]]:
    """(seed, whether the canary turns bad) -> when what was decided."""
    rules = constitution.default()
    classifier, plan = classifier_for(rules), parse(ROLLOUT)
    told = {}
    for seed in SEEDS:
        for turns in (False, True):
            schedules = {"stable": steady(STABLE), "canary": TURNING if turns else steady(STABLE)}
            played = Rehearsal(plan, SIMULATED.traffic, schedules, rules, seed).play(classifier, _SECONDS)
            told[seed, turns] = [(second, str(made.kind)) for second, made in played]
    return told


def test_a_healthy_canary_is_never_rolled_back(kinds: dict[tuple[int, bool], list[tuple[float, str]]]) -> None:
    wrong = [seed for seed in SEEDS if any(kind == "roll_back" for _, kind in kinds[seed, False])]
    assert wrong == []


def test_a_canary_that_turns_bad_is_frozen_and_then_rolled_back_in_time(
    kinds: dict[tuple[int, bool], list[tuple[float, str]]],
) -> None:
    played = {seed: [(second, kind) for second, kind in kinds[seed, True] if kind != "advance"] for seed in SEEDS}
    assert {tuple(kind for _, kind in told) for told in played.values()} == {("freeze", "roll_back")}
    assert min(told[0][0] for told in played.values()) > TURN_SECONDS
    assert max(told[1][0] for told in played.values()) < SIMULATED.deadline - _ROOM
