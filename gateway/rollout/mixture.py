"""Tests on which arm rare things come from: the fast alarm and the sample-ratio mismatch.

A thing that happened was the canary's with probability theta(r) = rho r / (rho r + 1 - rho) when the canary's rate
is r times stable's and rho its propensity. Against a rate ratio of at most r0,
E = mean over r > r0 of prod [theta(r) / theta(r0)]^x [(1 - theta(r)) / (1 - theta(r0))]^(1 - x),
x = 1 for the canary (Lindon and Malek, NeurIPS 2022, arXiv 2011.03567). The integral is a mean over a grid.
"""

import numpy as np

from gateway.rollout.wealth import Array, normal_prior

_LOG2: Array = np.linspace(0.0625, 3.9375, 32)
PRIOR: Array = normal_prior(_LOG2, 0.9, 0.7)
"""Over ratios from 1 to 16 times the null's, most of it near 2."""
_STEPS: Array = np.linspace(0.03125, 0.96875, 16)
MISMATCH_RATIOS: Array = np.concatenate(([1.0], 2.0 ** -(_STEPS[::-1] ** 2), 2.0 ** (_STEPS**2)))
"""Odds ratios: 1 (cash), then on both sides of it, from 0.5 to 2, most of them near 1."""
MISMATCH_PRIOR: Array = np.concatenate(([0.0], np.full(32, 1.0 / 32.0)))


def worse_ratios(null: float) -> Array:
    """`null` itself (cash), then ratios above it, evenly in their logarithm, to 16 times; `PRIOR` weighs them."""
    return np.concatenate(([null], null * 2.0**_LOG2))


def ratio_factors(ratios: Array, null: float, rho: float, canary: bool) -> Array:  # noqa: FBT001 - x of the formula
    """One event's factors, one for each of `ratios`; `rho` in (0, 1)."""
    spread = (rho * ratios + 1.0 - rho) / (rho * null + 1.0 - rho)
    return (ratios / null if canary else 1.0) / spread
