"""The level alarm's sums against their definition, and the bound that false alarms rest on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout.level import level_alarm, observe

OUTCOMES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(OUTCOMES, st.floats(0.001, 0.9))
def test_the_sums_are_those_of_all_starting_times(outcomes: list[float], budget: float) -> None:
    alarm = level_alarm(budget, 1e30)
    for outcome in outcomes:
        assert not observe(alarm, outcome)
    for bet, found in zip(2.0 ** np.arange(-2, 5), alarm.sums, strict=True):
        factors = 1 + min(bet, 0.9 / budget) * (np.array(outcomes) - budget)
        expected = sum(np.prod(factors[start:]) for start in range(len(factors)))
        assert found == pytest.approx(expected, rel=1e-9)
    assert alarm.seen == len(outcomes)


@given(OUTCOMES, st.floats(0.001, 0.9), st.floats(0, 1), st.floats(0, 1))
def test_at_the_budget_the_sums_grow_by_one_on_average(
    outcomes: list[float], budget: float, first: float, second: float
) -> None:
    """Any outcome of two values with the budget as its mean: E[M_n] = M_{n-1} + 1."""
    low, high = first * budget, budget + second * (1 - budget)
    chance = (budget - low) / (high - low) if high > low else 0.5
    after = []
    for last in (low, high):
        alarm = level_alarm(budget, 1e30)
        for outcome in (*outcomes, last):
            before = list(alarm.sums) or [0.0] * 7
            observe(alarm, outcome)
        after.append(np.array(alarm.sums))
    assert (1 - chance) * after[0] + chance * after[1] == pytest.approx(np.array(before) + 1, rel=1e-6)
