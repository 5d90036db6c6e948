"""The level alarm: quiet while the budget is kept, raised when it is not, and small enough to store."""

import msgspec
import numpy as np
import pytest

from gateway.rollout.intervals import Moments
from gateway.rollout.level import LevelState, earlier_budget, level_alarm, observe
from tests.statistics import level


def test_false_alarms_are_as_rare_as_stated_and_true_ones_come_soon() -> None:
    length, *delays = level.measure(30, 2)
    assert length.figure > 1000
    assert [each.figure for each in delays] == sorted((each.figure for each in delays), reverse=True)
    assert delays[0].figure < 3000
    assert delays[-1].figure < 150


def test_a_restart_between_two_outcomes_changes_nothing() -> None:
    random = np.random.default_rng(1)
    whole, parted = level_alarm(0.01, 500), level_alarm(0.01, 500)
    alarms = []
    for outcome in (random.random(2000) < 0.05).tolist():
        parted = msgspec.msgpack.decode(msgspec.msgpack.encode(parted), type=LevelState)
        alarms.append(observe(whole, float(outcome)))
        assert observe(parted, float(outcome)) == alarms[-1]
        assert parted == whole
    assert any(alarms)


def test_after_an_alarm_it_begins_anew() -> None:
    alarm = level_alarm(0.01, 50)
    while not observe(alarm, 1.0):
        pass
    assert alarm == level_alarm(0.01, 50)


def test_a_violation_among_many_good_outcomes_does_not_raise_it() -> None:
    alarm = level_alarm(0.01, 1e5)
    assert not any(observe(alarm, float(number % 100 == 0)) for number in range(20_000))


def test_a_budget_from_earlier_weeks_lies_above_their_rate() -> None:
    many, few = Moments(100_000, 1000.0, 1000.0), Moments(100, 1.0, 1.0)
    assert 0.012 < earlier_budget(many, 0.2) < 0.0145
    assert earlier_budget(few, 0.2) > 0.05


@pytest.mark.parametrize(("budget", "length"), [(0.0, 100.0), (1.0, 100.0), (float("nan"), 9.0), (0.1, 1.0)])
def test_what_cannot_be_an_alarm_is_refused(budget: float, length: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        level_alarm(budget, length)
