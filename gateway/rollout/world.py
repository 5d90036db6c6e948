"""Made-up traffic of one model: users, what they get from either arm, and what classifiers make of it.

Everything is drawn in blocks, so that a day of traffic takes seconds; the same seed draws the same whatever the
rollout does, only which of the two answers a user gets follows from the share in force.
"""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.rollout.observation import SCALE
from gateway.rollout.plan import DAY, Plan

Flags = NDArray[np.bool_]
_BLOCK = 4096
_JUDGED = ("harm", "honesty", "helpfulness", "over_refusal", "refusal", "principle")
"""Kinds of metrics that classifiers judge; the others are measured, without error."""


class WorldError(ValueError):
    """The traffic cannot be made; the text says which key and what was expected."""


class Errors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A classifier's: how often it flags what violates, and how often it leaves alone what doesn't."""

    sensitivity: float = 1.0
    specificity: float = 1.0


class World(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates and shares in [0, 1]; times in seconds from the start.

    per_day: exchanges. users: how many come back. busy: standard deviation of the logarithm of how often each
    comes. fresh: share of exchanges by somebody who was never there and doesn't return. request_units: the unit is
    the request itself.
    rate: of violations, for each guardrail that `rates` doesn't name; ratios: how many times stable's rate the
    canary's is, by guardrail, from `turns` on; differ: standard deviation of the logarithm of a user's own rate;
    drift: the rates swing by this part of themselves, up and down within `drift_period`.
    stable, canary: the classifiers' errors there. unscored: share of exchanges that are not evaluated.
    repeated: share of verdicts that come twice; late: share that come when their time has long passed.
    outages: (from, to), in which nothing is scored; what happened meanwhile is scored afterwards.
    suspended: (from, to), in which an operator takes the canary to 0 %.
    labels_per_day: people's labels, half of them on flagged answers.
    """

    per_day: float = 10_000.0
    users: int = 2_000
    busy: float = 1.0
    fresh: float = 0.0
    request_units: bool = False
    rate: float = 0.01
    rates: Mapping[str, float] = {}
    ratios: Mapping[str, float] = {}
    turns: float = 0.0
    differ: float = 0.5
    drift: float = 0.0
    drift_period: float = 7 * DAY
    stable: Errors = Errors()
    canary: Errors = Errors()
    unscored: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    suspended: tuple[tuple[float, float], ...] = ()
    labels_per_day: float = 0.0

    def rate_of(self, metric: str) -> float:
        """On stable, of true violations."""
        return self.rates.get(metric, self.rate)

    def flagged(self, metric: str) -> float:
        """On stable, of flags: violations that are found, and false ones."""
        rate = self.rate_of(metric)
        errors = self.stable if _judged(metric) else Errors()
        return rate * errors.sensitivity + (1.0 - rate) * (1.0 - errors.specificity)


class Passing(msgspec.Struct, frozen=True, array_like=True):
    """One exchange. `at`: seconds from the start. `place`: its unit's uniform place in [0, 1): on the canary where
    that is below its share. `stable`, `canary`: outcomes in thousandths by guardrail, on either arm; `true`: those
    of the first guardrail before the classifiers' errors, on either arm.
    """

    at: float
    unit: bytes
    place: float
    stable: tuple[int | None, ...]
    canary: tuple[int | None, ...]
    true: tuple[bool, bool]


class Source:
    """Draws a world's exchanges for a plan's guardrails. Raises WorldError."""

    def __init__(self, world: World, plan: Plan, seed: int) -> None:
        _check(world, plan)
        self._world = world
        self._metrics = [each.metric for each in plan.guardrails]
        self._random = random = np.random.default_rng(seed)
        activity = np.exp(random.normal(0.0, world.busy, world.users)).cumsum()
        self._activity = activity / activity[-1]
        own = np.exp(random.normal(0.0, world.differ, world.users))
        self._own = own * (world.users / own.sum())
        self._places = random.random(world.users)
        self._units = [number.to_bytes(16, "big") for number in range(world.users)]
        self._fresh = world.users
        self._at = 0.0
        size = len(self._metrics)
        self._clean: tuple[int | None, ...] = (0,) * size
        self._missing: tuple[int | None, ...] = (None,) * size

    def deal(self) -> None:
        """A new salt: everyone gets a new place."""
        self._places = self._random.random(self._world.users)

    def exchanges(self) -> Iterator[Passing]:
        """Without end, in the order of their time."""
        while True:
            yield from self._block()

    def _block(self) -> Iterator[Passing]:
        world, random = self._world, self._random
        times = self._at + random.exponential(DAY / world.per_day, _BLOCK).cumsum()
        self._at = float(times[-1])
        chosen = np.searchsorted(self._activity, random.random(_BLOCK))
        fresh = random.random(_BLOCK) < (1.0 if world.request_units else world.fresh)
        places = random.random(_BLOCK)
        swing = 1.0 + world.drift * np.sin(2.0 * np.pi * times / world.drift_period)
        level = np.where(fresh, 1.0, self._own[chosen]) * swing
        stable, canary = self._flags(times, level)
        unscored = random.random(_BLOCK) < world.unscored
        rare = unscored | stable[0].any(axis=0) | canary[0].any(axis=0) | stable[1] | canary[1]
        units = zip(chosen.tolist(), fresh.tolist(), rare.tolist(), strict=True)
        for number, (at, (user, new, special)) in enumerate(zip(times.tolist(), units, strict=True)):
            if new:
                self._fresh += 1
                unit, place = self._fresh.to_bytes(16, "big"), float(places[number])
            else:
                unit, place = self._units[user], float(self._places[user])
            if not special:
                yield Passing(at, unit, place, self._clean, self._clean, (False, False))
                continue
            outcomes = [
                self._missing if unscored[number] else tuple((SCALE * flags[0][:, number]).tolist())
                for flags in (stable, canary)
            ]
            true = (bool(stable[1][number]), bool(canary[1][number]))
            yield Passing(at, unit, place, outcomes[0], outcomes[1], true)

    def _flags(
        self, times: NDArray[np.float64], level: NDArray[np.float64]
    ) -> tuple[tuple[Flags, Flags], tuple[Flags, Flags]]:
        """For each arm: flags (guardrails, block), and the first guardrail's true violations."""
        world, random = self._world, self._random
        turned = times >= world.turns
        found: list[list[Flags]] = [[], []]
        true: list[Flags] = []
        for number, metric in enumerate(self._metrics):
            luck, read = random.random(_BLOCK), random.random(_BLOCK)
            rates = world.rate_of(metric) * level
            ratio = np.where(turned, world.ratios.get(metric, 1.0), 1.0)
            for arm, (rate, errors) in enumerate(((rates, world.stable), (rates * ratio, world.canary))):
                violates = luck < rate
                if number == 0:
                    true.append(violates)
                known = errors if _judged(metric) else Errors()
                found[arm].append(np.where(violates, read < known.sensitivity, read >= known.specificity))
        return (np.array(found[0]), true[0]), (np.array(found[1]), true[1])


def _judged(metric: str) -> bool:
    return metric.partition(":")[0] in _JUDGED


def _check(world: World, plan: Plan) -> None:
    metrics = {each.metric for each in plan.guardrails}
    unknown = sorted({*world.rates, *world.ratios} - metrics)
    if unknown:
        raise WorldError(f"{unknown[0]}: the plan has no such guardrail: {', '.join(sorted(metrics))}")
    shares = (world.rate, *world.rates.values(), world.unscored, world.repeated, world.late, world.fresh)
    if not all(0 <= each <= 1 for each in shares):
        raise WorldError("rate, rates, unscored, repeated, late, fresh: expected shares in [0, 1]")
    if world.per_day <= 0 or world.users < 1 or not all(each >= 0 for each in world.ratios.values()):
        raise WorldError("per_day above 0, users at least 1, ratios at least 0")
    for name, spans in (("outages", world.outages), ("suspended", world.suspended)):
        ends = [end for span in spans for end in span]
        if ends != sorted(set(ends)) or (ends and ends[0] < 0):
            raise WorldError(f"{name}: {spans}: expected pairs of seconds [from, to), one after the other")
