"""How many closed periods it takes to show "no worse" of a canary that is as good as stable.

The logarithm of the e-value of `no_worse_factors` grows by g(L) = E log(factor) a period for one bet L, so the
mixture's is about log sum over L of prior(L) exp(n g(L)) after n periods: m is where that reaches log(1/alpha).
With the best bet it wanders by a variance of 2 g a period, so it gets there as a Brownian motion with drift would:
the time is inverse Gaussian with mean m and shape m a / 2, a = m g (Chhikara and Folks 1989); its median is given.
An outcome is the share of a period's exchanges that violated, each by itself with the base rate.
"""

from collections.abc import Callable
from math import comb, erfc, exp, inf, log, sqrt

import numpy as np

from gateway.rollout.betting import PRIOR, no_worse_factors
from gateway.rollout.wealth import Array

_MOST = 1e12
_EXCHANGES = 50


def periods_to_prove(rate: float, margin: float, rho: float, alpha: float, exchanges: int = 1) -> float:
    """The median within a factor of 1.5; inf: never. `rate`: on both arms, in [0, 1]; `margin`, `rho` in (0, 1).

    `exchanges`: of one unit in one period.
    """
    growth = _growth(rate, margin, rho, min(max(exchanges, 1), _EXCHANGES))
    if growth.max() <= 0:
        return inf
    mean = least(lambda periods: _log_wealth(growth, periods) >= log(1 / alpha), 1.0)
    shape = mean * float(growth.max()) / 2
    return mean * least(lambda time: _passed(time, shape) >= 0.5, 2.0**-40)


def _growth(rate: float, margin: float, rho: float, exchanges: int) -> Array:
    """The logarithm's growth in one period, for each bet."""
    violating = np.arange(exchanges + 1)
    chances = np.array([comb(exchanges, each) for each in violating.tolist()]) * (
        rate**violating * (1.0 - rate) ** (exchanges - violating)
    )
    base, edge = np.full(exchanges + 1, rate), np.full(exchanges + 1, margin)
    canary, stable = (
        np.log(no_worse_factors(arm, rho, violating / exchanges, base, edge)) for arm in (True, False)
    )
    return np.asarray(rho * (chances @ canary) + (1.0 - rho) * (chances @ stable))


def _log_wealth(growth: Array, periods: float) -> float:
    used = PRIOR > 0
    logs = np.log(PRIOR[used]) + periods * growth[used]
    most = float(logs.max())
    return most + log(float(np.exp(logs - most).sum()))


def _passed(time: float, shape: float) -> float:
    """Distribution function of the inverse Gaussian with mean 1."""
    root = sqrt(shape / time)
    return _normal(root * (time - 1)) + exp(2 * shape) * _normal(-root * (time + 1))


def _normal(value: float) -> float:
    return 0.5 * erfc(-value / sqrt(2))


def least(holds: Callable[[float], bool], start: float) -> float:
    """About the least number from `start` on for which it holds, to a thousandth; inf: none below 1e12."""
    low = high = start
    while not holds(high):
        low, high = high, 2 * high
        if high > _MOST:
            return inf
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
