"""Many rollouts side by side: the e-values of one guardrail, for units that are the request itself.

The factors are the product's own functions; what is written anew is only that runs are rows. That both say the same
is tested (tests/integration/test_statistics.py).
"""

import numpy as np
from numpy.typing import NDArray

from gateway.rollout.betting import BETS, PRIOR, no_worse_factors, worse_factors
from gateway.rollout.mixture import PRIOR as RATIO_PRIOR
from gateway.rollout.mixture import ratio_factors, worse_ratios
from gateway.rollout.wealth import Array

Flags = NDArray[np.bool_]
_RESCALE = 64
_FIRST = 20
_GROWTH = 1.5
_RATIOS = worse_ratios(1.0)


class Many:
    """`runs` rollouts. `share`: the canary's, the propensity of every unit. `margin`: of "no worse".

    `invested`: the part of the wealth of "worse" that is in play; the rest is cash.
    """

    def __init__(self, runs: int, share: float, margin: float, invested: float = 1.0) -> None:
        self.runs = runs
        self._share = share
        self._margin = np.full(runs, margin)
        self._zeros = np.zeros(runs)
        self._worse = np.tile(PRIOR * invested, (runs, 1))
        self._worse[:, 0] += 1.0 - invested
        self._no_worse = np.tile(PRIOR, (runs, 1))
        self._alarm = np.tile(RATIO_PRIOR * invested, (runs, 1))
        self._alarm[:, 0] += 1.0 - invested
        self._exponents = np.zeros((3, runs), dtype=np.int64)
        self._base = np.zeros(runs)
        self._seen = np.zeros(runs)
        self._violated = np.zeros(runs)
        self._learned = np.zeros(runs)
        self._ratios = {arm: ratio_factors(_RATIOS, 1.0, share, arm) for arm in (True, False)}
        self._steps = 0
        size = (runs, len(BETS))
        self._clean = {arm: (np.ones(size), np.ones(size)) for arm in (True, False)}
        self._prepare(np.ones(runs, dtype=np.bool_))

    def draw(self, rates: tuple[float, float], random: np.random.Generator) -> tuple[Flags, Flags]:
        """One exchange in each run: on the canary?, violating? `rates`: of violations, on stable and the canary."""
        canary = random.random(self.runs) < self._share
        return canary, random.random(self.runs) < np.where(canary, rates[1], rates[0])

    def step(self, canary: Flags, violated: Flags) -> None:
        """One more exchange in each run, shape (runs,)."""
        arm = canary[:, None]
        factors = [np.where(arm, *pair) for pair in zip(self._clean[True], self._clean[False], strict=True)]
        hit = np.flatnonzero(violated)
        if len(hit):
            self._hit(hit, canary[hit], factors)
        self._worse *= factors[0]
        self._no_worse *= factors[1]
        self._learn(canary, violated)
        self._steps += 1
        if self._steps % _RESCALE == 0:
            self._rescale()

    def worse(self) -> Array:
        """E of "worse" by the confirming test."""
        return self._value(0, self._worse)

    def mean(self) -> Array:
        """E of "worse" by both tests, as a plan with this one guardrail takes it."""
        return 0.5 * (self.worse() + self.alarm())

    def no_worse(self) -> Array:
        """E of "no worse"."""
        return self._value(1, self._no_worse)

    def alarm(self) -> Array:
        """E of the fast alarm."""
        return self._value(2, self._alarm)

    def _hit(self, hit: NDArray[np.intp], canary: Flags, factors: list[Array]) -> None:
        base, ones = self._base[hit], np.ones(len(hit))
        for arm in (True, False):
            of = canary == arm
            rows = hit[of]
            factors[0][rows] = worse_factors(arm, self._share, ones[of], base[of], self._zeros[rows])
            factors[1][rows] = no_worse_factors(arm, self._share, ones[of], base[of], self._margin[rows])
            self._alarm[rows] *= self._ratios[arm]

    def _learn(self, canary: Flags, violated: Flags) -> None:
        """As Evidence does: baselines from stable's mean, each time there is half as much again to learn from."""
        self._seen += ~canary
        self._violated += violated & ~canary
        due = ~canary & (self._seen >= _FIRST + _GROWTH * self._learned)
        if due.any():
            self._learned[due] = self._seen[due]
            self._base[due] = self._violated[due] / self._seen[due]
            self._prepare(due)

    def _prepare(self, rows: Flags) -> None:
        zeros, base = self._zeros[rows], self._base[rows]
        for arm, (worse, no_worse) in self._clean.items():
            worse[rows] = worse_factors(arm, self._share, zeros, base, zeros)
            no_worse[rows] = no_worse_factors(arm, self._share, zeros, base, self._margin[rows])

    def _rescale(self) -> None:
        for row, parts in enumerate((self._worse, self._no_worse, self._alarm)):
            _, shifts = np.frexp(np.maximum(parts.max(axis=1), 2.0**-1000))
            np.ldexp(parts, -shifts[:, None], out=parts)
            self._exponents[row] += shifts

    def _value(self, row: int, parts: Array) -> Array:
        return np.asarray(np.ldexp(parts.sum(axis=1), np.minimum(self._exponents[row], 800)))
