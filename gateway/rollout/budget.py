"""What a harm budget does to a healthy canary: the chance that it is used up, and how long it holds a stage back.

The chance comes by simulation, as the budget is no test. Violations on both arms are Poisson with the same rate per
exchange, each as grave as can be; spent is the canary's beyond stable's rate (`gateway.rollout.decide.spent`),
looked at many times a stage.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from gateway.rollout.evidence import DISPLAY_ALPHA
from gateway.rollout.intervals import Moments, difference_interval
from gateway.rollout.proof import least

_RUNS = 2000
_LOOKS = 40


class Exposure(msgspec.Struct, frozen=True):
    """A stage's exchanges, expected."""

    stable: float
    canary: float


def chance_of_use(rate: float, stages: Sequence[Exposure], budget: float, seed: int) -> float:
    """In [0, 1]; `rate`: violations per exchange on both arms. The same seed gives the same number."""
    if budget <= 0 or not stages:
        return 0.0
    stable = np.repeat([each.stable / _LOOKS for each in stages], _LOOKS)
    canary = np.repeat([each.canary / _LOOKS for each in stages], _LOOKS)
    random = np.random.default_rng(seed)
    shape = (_RUNS, len(stable))
    harm_stable = random.poisson(np.broadcast_to(rate * stable, shape)).cumsum(axis=1)
    harm_canary = random.poisson(np.broadcast_to(rate * canary, shape)).cumsum(axis=1)
    ratio = canary.cumsum() / np.maximum(stable.cumsum(), 1e-9)
    spent = harm_canary - harm_stable * ratio
    return float((spent >= budget).any(axis=1).mean())


def periods_for_room(rate: float, rho: float, budget: float, ahead: float, exchanges: int = 1) -> float:
    """How many units' periods must close until the next stage fits into the budget: `ahead` exchanges of the canary
    at the upper end of its difference to stable, which is none (`gateway.rollout.decide`). inf: never.

    `rate`: of violations on both arms, in [0, 1]; `rho`: propensity in (0, 1); `exchanges`: of a unit in a period.
    Left out is what earlier stages have counted, and what of the budget is spent.
    """
    overlap = rho * (1.0 - rho)
    square = overlap * rate * (1.0 - rate) / exchanges

    def fits(periods: float) -> bool:
        count = round(periods)
        _, high = difference_interval(Moments(count, 0.0, count * square), count * overlap, DISPLAY_ALPHA)
        return high * ahead <= budget

    return least(fits, 2.0)
