"""The demo's story holds for every seed: what is told live is no luck."""

from collections.abc import Sequence

import pytest

from classifiers import constitution
from classifiers.exchange import Exchange
from classifiers.verdict import Verdict
from gateway.app.classifier import classifier_for
from gateway.demo.behaviour import steady
from gateway.demo.fleet import STABLE, TURNING
from gateway.demo.plan import ROLLOUT, SIMULATED, TURN_SECONDS
from gateway.demo.rehearsal import Rehearsal
from gateway.ports import Classifier
from gateway.rollout.plan import parse

SEEDS = range(50)
_SECONDS = 110.0
_ROOM = 10.0
"""Seconds that a live demo may be slower."""


class Remembering:
    """Reads each exchange of the demo once, whatever the seed."""

    def __init__(self, classifier: Classifier) -> None:
        self.constitution = classifier.constitution
        self._classifier = classifier
        self._known: dict[Exchange, Verdict] = {}

    def classify(self, exchanges: Sequence[Exchange]) -> Sequence[Verdict]:
        for exchange in exchanges:
            if exchange not in self._known:
                self._known[exchange] = self._classifier.classify([exchange])[0]
        return [self._known[exchange] for exchange in exchanges]


@pytest.fixture(scope="module")
def kinds() -> dict[tuple[int, bool], list[tuple[float, str]]]:
    """(seed, whether the canary turns bad) -> when what was decided."""
    rules = constitution.default()
    classifier, plan = Remembering(classifier_for(rules)), parse(ROLLOUT)
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


def test_a_canary_that_turns_bad_is_rolled_back_in_time_and_frozen_before(
    kinds: dict[tuple[int, bool], list[tuple[float, str]]],
) -> None:
    """Where the proof is complete before the fast alarm, which is rare, nothing is frozen."""
    played = {seed: [(second, kind) for second, kind in kinds[seed, True] if kind != "advance"] for seed in SEEDS}
    told = [tuple(kind for _, kind in made) for made in played.values()]
    assert set(told) <= {("freeze", "roll_back"), ("roll_back",)}
    assert told.count(("roll_back",)) <= len(SEEDS) // 10
    assert min(made[0][0] for made in played.values()) > TURN_SECONDS
    assert max(made[-1][0] for made in played.values()) < SIMULATED.deadline - _ROOM
