"""Confirming tests: bets on the difference of two arms' mean outcomes, one for each closed period of a unit.

With A = 1 on the canary, rho its propensity given what was counted before, outcome g in [0, 1], baseline b fixed
when the period opened, and a difference d:
"worse by more than d" multiplies its e-value by 1 + L [(A - rho)(g - b) - rho (1 - rho) d],
"no worse than d" by 1 + L [rho (1 - rho) d - (A - rho)(g - b)].
Under each null the bracket's conditional mean is at most 0, so the product is an e-process (Waudby-Smith and
Ramdas, JRSSB 2024, DOI 10.1093/jrsssb/qkad009). It is averaged over a grid of bets L, each within the bounds that
keep every factor at least 0.1. All functions take arrays of one broadcastable shape.
"""

import numpy as np

from gateway.rollout.wealth import Array, normal_prior

_LOG2: Array = np.linspace(-4.0, 5.0, 10)
BETS: Array = np.concatenate(([0.0], 2.0**_LOG2))
"""L: nothing (cash), then evenly in its logarithm: the best is about (true difference - d) / variance of g."""
PRIOR: Array = normal_prior(_LOG2, 0.0, 1.3)
"""Most weight where rates between 1.25 and 4 times stable's are found soonest (docs/statistics.md, G3)."""
_KEPT = 0.9
"""The most of its wealth that one bet may lose."""


def worse_factors(canary: bool, rho: float, outcome: Array, base: Array, tolerated: Array) -> Array:  # noqa: FBT001
    """Factors for "worse by more than `tolerated`": shape of `outcome` with the bets as a last axis."""
    edge = rho * (1.0 - rho) * tolerated
    payoff = (canary - rho) * (outcome - base) - edge
    loss = np.maximum((1.0 - rho) * base, rho * (1.0 - base)) + edge
    return _factors(payoff, loss)


def no_worse_factors(canary: bool, rho: float, outcome: Array, base: Array, margin: Array) -> Array:  # noqa: FBT001
    """Factors for "no worse than `margin`": shape of `outcome` with the bets as a last axis."""
    edge = rho * (1.0 - rho) * margin
    payoff = edge - (canary - rho) * (outcome - base)
    loss = np.maximum((1.0 - rho) * (1.0 - base), rho * base) - edge
    return _factors(payoff, loss)


def _factors(payoff: Array, loss: Array) -> Array:
    most = _KEPT / np.maximum(loss, 1e-9)
    return 1.0 + np.minimum(BETS, most[..., None]) * payoff[..., None]
