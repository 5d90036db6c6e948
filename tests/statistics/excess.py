"""G7: how many violations beyond stable's rate people see before a worse canary goes back, beside two common rules.

The rules look at the canary's count of violations in a window: every 5 minutes (as Argo Rollouts is set up in its
examples), every hour (as Flagger's). Their thresholds are the lowest with which a healthy canary is rolled back
within a week no more often than by ours; they are told stable's rate, which ours isn't.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import poisson  # type: ignore[import-untyped]  # scipy ships no types

from gateway.rollout.proportions import clopper_pearson
from gateway.rollout.wealth import Array
from tests.statistics.errors import ALPHA, MARGIN
from tests.statistics.many import Many
from tests.statistics.table import Row, plain, share

_PER_DAY = 100_000
_PART = 0.1
_RATE = 0.01
_WEEK = 7 * _PER_DAY
_WINDOWS = {"a threshold every 5 minutes": 288, "a threshold every hour": 24}
"""Looks a day."""
_RATIOS = (1.25, 1.5, 2.0, 4.0)


def ours(times: float, runs: int, random: np.random.Generator) -> Array:
    """The exchange at which each run goes back, within a week; inf: never."""
    many = Many(runs, _PART, MARGIN)
    first = np.full(runs, np.inf)
    for number in range(1, _WEEK + 1):
        many.step(*many.draw((_RATE, times * _RATE), random))
        first[(many.mean() >= 1 / ALPHA) & (first > number)] = number
        if times > 1 and np.isfinite(first).all():
            break
    return first


def threshold(looks: int, false: float) -> int:
    """The least count in a window at which a healthy canary goes back within a week in at most `false` of runs."""
    each = 1.0 - (1.0 - false) ** (1.0 / (7 * looks))
    return int(poisson.isf(each, _PER_DAY * _PART * _RATE / looks)) + 1


def theirs(times: float, looks: int, false: float) -> float:
    """The median number of exchanges until a window reaches the threshold."""
    chance = float(poisson.sf(threshold(looks, false) - 1, times * _PER_DAY * _PART * _RATE / looks))
    windows = np.ceil(np.log(0.5) / np.log1p(-chance))
    return float(windows * _PER_DAY / looks)


def measure(runs: int, seed: int) -> Iterator[Row]:
    """100,000 requests a day, 10 % on the canary, rate 1 %; `runs` for each row."""
    random = np.random.default_rng(seed)
    hits = int(np.isfinite(ours(1.0, runs, random)).sum())
    yield share("G7 false rollbacks within a week, ours", hits, runs, most=ALPHA)
    false = clopper_pearson(hits, runs, 0.05).high
    for times in _RATIOS:
        beyond = _PART * _RATE * (times - 1)
        found = float(np.median(ours(times, max(runs // 5, 100), random)))
        yield plain(f"G7 median excess violations, x{times:g}: ours", found * beyond, max(runs // 5, 100))
        yield from (
            plain(f"the same, {name}", theirs(times, looks, false) * beyond, 0) for name, looks in _WINDOWS.items()
        )
