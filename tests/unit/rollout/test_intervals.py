"""Confidence sequences for display: they hold at all times at once, as often as they say."""

import numpy as np
import pytest

from gateway.rollout.intervals import Moments, difference_interval, mean_interval

_ALPHA = 0.05


def _looks(most: int) -> list[int]:
    return sorted({round(2 * 1.15**power) for power in range(80) if 2 * 1.15**power <= most})


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.2])
def test_the_mean_is_within_at_every_look(rate: float) -> None:
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        sums = np.cumsum(random.random(20_000) < rate)
        seen = [Moments(n, float(sums[n - 1]), float(sums[n - 1])) for n in _looks(20_000)]
        missed += any(not low <= rate <= high for low, high in (mean_interval(each, _ALPHA) for each in seen))
    assert missed <= 18  # 10 expected at most; 18 or more of 200 at 5 % have a chance below 1 %


@pytest.mark.parametrize(("rate", "rho"), [(0.01, 0.01), (0.01, 0.1), (0.01, 0.5)])
def test_the_difference_is_within_at_every_look_also_where_one_arm_is_rare(rate: float, rho: float) -> None:
    random = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        canary = random.random(20_000) < rho
        terms = (canary - rho) * ((random.random(20_000) < rate) - rate)
        sums, squares = np.cumsum(terms), np.cumsum(terms**2)
        seen = [Moments(n, float(sums[n - 1]), float(squares[n - 1])) for n in _looks(20_000)]
        ends = (difference_interval(each, each.count * rho * (1 - rho), _ALPHA) for each in seen)
        missed += any(not low <= 0.0 <= high for low, high in ends)
    assert missed <= 18


def test_nothing_is_known_of_fewer_than_two() -> None:
    assert mean_interval(Moments(1, 1.0, 1.0), _ALPHA) == (0.0, 1.0)
    assert difference_interval(Moments(1, 1.0, 1.0), 0.25, _ALPHA) == (-1.0, 1.0)


def test_a_thousand_without_a_violation_are_no_proof_that_there_is_none() -> None:
    low, high = mean_interval(Moments(1000, 0.0, 0.0), _ALPHA)
    assert low == pytest.approx(0.0, abs=1e-9)
    assert 0.003 < high < 0.01
    assert mean_interval(Moments(1000, 1000.0, 1000.0), _ALPHA) == pytest.approx((1 - high, 1.0), abs=1e-9)


def test_intervals_narrow_with_what_is_seen() -> None:
    few, many = (difference_interval(Moments(n, 0.0, n * 0.01), n * 0.25, _ALPHA) for n in (100, 10_000))
    assert few[0] < many[0] < 0 < many[1] < few[1]
