"""The chance that a healthy canary uses up its harm budget: by simulation, as the budget is no test.

Violations on both arms are Poisson with the same rate per exchange, each as grave as can be; spent is the canary's
beyond stable's rate (`gateway.rollout.decide.spent`), looked at many times a stage.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

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
