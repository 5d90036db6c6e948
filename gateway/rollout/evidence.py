"""The evidence of one rollout: what each event does to its e-values, and what they say.

Rows of the confirming tests, for G guardrails: "worse" (G), exchanges per unit up and down (2), "no worse" (G). All
bets are made by one multiplication, so that no guardrail can be forgotten.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from gateway.core.evidence import FirstViolations, Rates
from gateway.rollout.betting import PRIOR, no_worse_factors, worse_factors
from gateway.rollout.intervals import Moments, difference_interval, mean_interval
from gateway.rollout.mixture import (
    MISMATCH_PRIOR,
    MISMATCH_RATIOS,
    ratio_factors,
    worse_ratios,
)
from gateway.rollout.mixture import PRIOR as RATIO_PRIOR
from gateway.rollout.observation import SCALE
from gateway.rollout.plan import Plan
from gateway.rollout.state import Book
from gateway.rollout.wealth import Array, Wealth

MISMATCH_ALPHA = 0.001
"""Of a false sample-ratio mismatch, and of a false shift of the exchanges per unit."""
_VOLUME = 50
"""Exchanges of one period above which more of them change nothing."""
_VOLUME_TOLERATED = 0.004
_OWN_SCALE = 250
_BASELINES = 64
_CASH = 0.5
"""Held back at the start for the stages after the first: a regression that begins in one of them is then found as
if the rollout had begun there, with that part of the wealth."""
_CACHED = 4096
DISPLAY_ALPHA = 0.05


class Closing(msgspec.Struct, frozen=True):
    """A period that ends. `rho`: the canary's propensity when it opened, in (0, 1). `sums` (thousandths) and
    `missing` by guardrail; `base`: the baselines it opened under; `own`: the unit's earlier outcomes in 1/250, or
    empty.
    `for_worse`: False where the stage ended by anything but an advance: then it counts in "no worse" only.
    """

    canary: bool
    rho: float
    base: int
    own: bytes
    exchanges: int
    sums: Sequence[int]
    missing: Sequence[int]
    for_worse: bool = True


class Evidence:
    """See the module. `prior`: stable's mean outcomes by guardrail before the rollout: the first baselines."""

    def __init__(self, plan: Plan, prior: Sequence[float] = ()) -> None:
        self._plan = plan
        self._size = size = len(plan.guardrails)
        self._margins = np.array([each.margin for each in plan.guardrails])
        tolerated = [each.tolerated for each in plan.guardrails]
        self._tolerated = np.array([*tolerated, _VOLUME_TOLERATED, _VOLUME_TOLERATED])
        self._nulls = [each.ratio for each in plan.guardrails]
        self._alarming = np.array([each.ratio > 0 for each in plan.guardrails])
        self._weights = np.array(plan.weights)
        self._alarm_in_mean = np.where(self._alarming, plan.alarm_share, 0.0) * self._weights
        self._test_parts = self._weights - self._alarm_in_mean
        alarming = self._weights * self._alarming
        self._alarm_weights = alarming / alarming.sum() if alarming.any() else alarming
        self._ratios = [worse_ratios(null) if null else MISMATCH_RATIOS for null in self._nulls]
        self._stages = 1 if plan.compare else len(plan.stages) + 1
        cash = 0.0 if self._stages == 1 else _CASH
        self.tests = Wealth(2 * size + 2, PRIOR, [cash] * (size + 2) + [0.0] * size)
        self.alarm = Wealth(size, RATIO_PRIOR, [cash] * size)
        self.mismatch = Wealth(1, MISMATCH_PRIOR)
        self._alarm_at_closing: Array = np.ones(size)
        self._alarm_moved = False
        self._moments: Array = np.zeros((2, 3 * size))
        self._overlap = 0.0
        self._base_sums: Array = np.zeros(2 * size + 1)
        self.counts = [0, 0]
        self._firsts: list[list[float]] | None = [[0.0] * 6 for _ in range(size)]
        first = list(prior) or [0.0] * size
        self._baselines: list[Array] = [np.array([*first, 1 / _VOLUME, *first])]
        self._baselined = 0
        self._cache: dict[tuple[bool, float, int, int, int], tuple[Array, Array, Array]] = {}

    @property
    def base(self) -> int:
        """Which baselines a period that opens now is measured against."""
        return len(self._baselines) - 1

    def exposure(self, share: float, canary: bool) -> None:  # noqa: FBT001 - A of the formula
        """A unit is seen for the first time under this salt, at the canary's `share` in (0, 1)."""
        self.mismatch.multiply(ratio_factors(MISMATCH_RATIOS, 1.0, share, canary)[None, :])

    def violation(self, guardrails: Sequence[int], rho: float, canary: bool) -> None:  # noqa: FBT001 - as above
        """The first violations of a unit in a stage, of these guardrails at once; `rho` in (0, 1)."""
        factors = np.ones((self._size, len(RATIO_PRIOR)))
        for place in guardrails:
            factors[place] = ratio_factors(self._ratios[place], self._nulls[place], rho, canary)
            if self._firsts is not None:
                self._firsts[place][3 + canary] += 1
                self._firsts[place][5] += rho
        self.alarm.multiply(factors)
        self._alarm_moved = True

    def close(self, closing: Closing) -> None:
        """A period with a propensity in (0, 1) ends and is counted."""
        factors, terms, levels = self._parts(closing)
        if not closing.for_worse:
            factors = factors.copy()
            factors[: self._size + 2] = 1.0
        self.tests.multiply(factors)
        if self._alarm_moved:
            self._alarm_at_closing = self.alarm.bounded()
            self._alarm_moved = False
        self._overlap += closing.rho * (1.0 - closing.rho)
        self._moments[0] += terms
        self._moments[1] += terms * terms
        self.counts[closing.canary] += 1
        if not closing.canary:
            self._learn(levels)

    def enter(self, index: int) -> None:
        """The stage with that index begins: "worse" puts cash in play, evenly over the stages to come."""
        share = 1.0 / max(self._stages - index, 1)
        self.tests.invest(share)
        self.alarm.invest(share)
        self._alarm_moved = True
        if self._firsts is not None:
            self._firsts = [_over(each) for each in self._firsts]

    def restart_no_worse(self) -> None:
        """From here "no worse" is a statement about the units and the time to come."""
        for row in range(self._size + 2, 2 * self._size + 2):
            self.tests.restart(row)

    def restart_mismatch(self) -> None:
        """A new salt deals anew."""
        self.mismatch.restart(0)

    def mean(self) -> float:
        """The mean that rolls back: confirming tests, and the fast alarm as it stood when a period closed last."""
        tests = self.tests.bounded()[: self._size]
        return float(self._test_parts @ tests + self._alarm_in_mean @ self._alarm_at_closing)

    def parts(self) -> Array:
        """What each test (confirming, alarm) and guardrail adds to that mean, shape (2, G)."""
        tests = self.tests.bounded()[: self._size]
        return np.stack((self._test_parts * tests, self._alarm_in_mean * self._alarm_at_closing))

    def alarm_mean(self) -> float:
        """The fast alarms' weighted mean as it stands now."""
        return float(self._alarm_weights @ self.alarm.bounded())

    def alarm_parts(self) -> Array:
        """What each guardrail adds to that mean, shape (G,)."""
        parts: Array = self._alarm_weights * self.alarm.bounded()
        return parts

    def firsts(self, place: int) -> tuple[FirstViolations, FirstViolations] | None:
        """What a guardrail's fast alarm was made from, before and in this stage; None: not counted then."""
        if self._firsts is None:
            return None
        stable, canary, due, *now = self._firsts[place]
        return FirstViolations(int(stable), int(canary), due), FirstViolations(int(now[0]), int(now[1]), now[2])

    def no_worse(self) -> list[float]:
        """The e-values for "no worse", by guardrail."""
        rows: list[float] = self.tests.bounded()[self._size + 2 :].tolist()
        return rows

    def shifted(self) -> bool:
        """Whether the exchanges per unit differ between the arms, which would raise first violations by itself."""
        up, down = self.tests.bounded()[self._size : self._size + 2]
        return bool(0.5 * (up + down) >= 1 / MISMATCH_ALPHA)

    def mismatched(self) -> bool:
        """Whether the arms get other shares of the units than they should."""
        return bool(self.mismatch.bounded()[0] >= 1 / MISMATCH_ALPHA)

    def unproven(self) -> list[int]:
        """Promotion guardrails for which "no worse" is not shown yet."""
        rows = self.no_worse()
        needed = 1 / self._plan.promotion_alpha
        return [place for place, each in enumerate(self._plan.guardrails) if each.promotes and rows[place] < needed]

    def moments(self) -> Array:
        """Sums and sums of squares, shape (2, 3, G): outcomes on stable, on the canary, and
        (A - rho)(g - b) of both.
        """
        return self._moments.reshape(2, 3, self._size)

    def difference(self, place: int) -> tuple[float, float]:
        """95 % confidence sequence of a guardrail's difference, canary minus stable; for display and budgets."""
        total, squares = self.moments()[:, 2, place].tolist()
        return difference_interval(Moments(sum(self.counts), total, squares), self._overlap, DISPLAY_ALPHA)

    def mean_of(self, place: int, canary: bool) -> Rates:  # noqa: FBT001 - which arm
        """A guardrail's outcomes on one arm."""
        count = self.counts[canary]
        total, squares = self.moments()[:, int(canary), place].tolist()
        low, high = mean_interval(Moments(count, total, squares), DISPLAY_ALPHA)
        return Rates(count, total / count if count else 0.0, low, high)

    def _parts(self, closing: Closing) -> tuple[Array, Array, Array]:
        """Factors, terms of the moments, and the levels for the baselines."""
        plain = not any(closing.sums) and not any(closing.missing) and not any(closing.own)
        if not plain:
            return self._computed(closing)
        exchanges = min(closing.exchanges, _VOLUME)
        key = (closing.canary, closing.rho, closing.base, exchanges, len(closing.own))
        known = self._cache.get(key)
        if known is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            known = self._cache[key] = self._computed(closing)
        return known

    def _computed(self, closing: Closing) -> tuple[Array, Array, Array]:
        size, rho = self._size, closing.rho
        outcome = np.array(closing.sums) / (SCALE * closing.exchanges)
        missed = outcome + np.array(closing.missing) / closing.exchanges
        volume = min(closing.exchanges, _VOLUME) / _VOLUME
        base = self._baselines[closing.base]
        own = self._own(base, closing.own)
        volumes = np.array([volume, 1.0 - volume])
        levels = np.concatenate((outcome, volumes[:1], missed))
        worse = worse_factors(
            closing.canary,
            rho,
            np.concatenate((outcome, volumes)),
            np.concatenate((own[:size], (base[size], 1.0 - base[size]))),
            self._tolerated,
        )
        no_worse = no_worse_factors(closing.canary, rho, missed, own[size + 1 :], self._margins)
        terms = np.zeros((3, size))
        terms[int(closing.canary)] = outcome
        terms[2] = (closing.canary - rho) * (outcome - own[:size])
        return np.concatenate((worse, no_worse)), terms.reshape(-1), levels

    def _own(self, base: Array, own: bytes) -> Array:
        """The baselines of a unit: half its own earlier outcomes, where there are any."""
        if not own:
            return base
        size = self._size
        known = np.frombuffer(own, dtype=np.uint8) / _OWN_SCALE
        mixed = base.copy()
        mixed[:size] = 0.5 * (base[:size] + known)
        mixed[size + 1 :] = np.minimum(mixed[:size] + base[size + 1 :] - base[:size], 1.0)
        return mixed

    def _learn(self, levels: Array) -> None:
        """New baselines from stable's means, each time there is half as much again to learn from."""
        self._base_sums += levels
        seen = self.counts[0]
        if seen >= 20 + 1.5 * self._baselined and len(self._baselines) < _BASELINES:
            self._baselined = seen
            self._baselines.append(self._base_sums / seen)

    def stored(self) -> Book:
        """For the state: exact."""
        return Book(
            tests=self.tests.stored(),
            alarm=self.alarm.stored(),
            mismatch=self.mismatch.stored(),
            alarm_at_closing=[*self._alarm_at_closing.tolist(), float(self._alarm_moved)],
            moments=self._moments.tobytes() + self._base_sums.tobytes(),
            counts=list(self.counts),
            baselines=[each.tolist() for each in self._baselines],
            baselined=self._baselined,
            overlap=self._overlap,
            firsts=self._firsts and [list(each) for each in self._firsts],
        )

    @classmethod
    def of(cls, plan: Plan, book: Book) -> "Evidence":
        """The reverse, for the same plan."""
        made = cls(plan)
        made.tests = Wealth.of(book.tests, PRIOR)
        made.alarm = Wealth.of(book.alarm, RATIO_PRIOR)
        made.mismatch = Wealth.of(book.mismatch, MISMATCH_PRIOR)
        *at_closing, moved = book.alarm_at_closing
        made._alarm_at_closing, made._alarm_moved = np.array(at_closing), bool(moved)
        numbers = np.frombuffer(book.moments, dtype="<f8").copy()
        size = made._size
        made._moments, made._base_sums = numbers[: 6 * size].reshape(2, -1), numbers[6 * size :]
        made.counts = list(book.counts)
        made._baselines = [np.array(each) for each in book.baselines]
        made._baselined = book.baselined
        made._overlap = book.overlap
        made._firsts = book.firsts and [list(each) for each in book.firsts]
        return made


def _over(firsts: list[float]) -> list[float]:
    """A stage's first violations are those of the stages before, once it is over."""
    before, now = firsts[:3], firsts[3:]
    return [*(one + other for one, other in zip(before, now, strict=True)), 0.0, 0.0, 0.0]


def own_outcomes(sums: Sequence[int], exchanges: int) -> bytes:
    """A period's outcomes in 1/250, for the unit's next baseline."""
    return bytes(min(total * _OWN_SCALE // (SCALE * exchanges), _OWN_SCALE) for total in sums)
