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


def test_a_canary_that_turns_bad_is_always_rolled_back_after_it_turned(
    kinds: dict[tuple[int, bool], list[tuple[float, str]]],
) -> None:
    ends = {seed: kinds[seed, True][-1] for seed in SEEDS}
    assert {kind for _, kind in ends.values()} == {"roll_back"}
    assert min(second for second, _ in ends.values()) > TURN_SECONDS
