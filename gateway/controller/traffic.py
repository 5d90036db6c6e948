"""What the index knows of a model's traffic and of stable's rates: for forecasts, and to compare a rollout with."""

from collections.abc import Mapping

import msgspec

from classifiers.constitution import Constitution
from gateway.controller.index import ExchangeIndex
from gateway.controller.rates import ArmCounts, Rates
from gateway.controller.tallies import HOUR_US
from gateway.ports import Clock
from gateway.rollout.plan import Plan
from gateway.rollout.traffic import Traffic

_WINDOWS_HOURS = (1, 6, 24, 72, 168)
_DAY_HOURS = 24
_WEEK_HOURS = 168
_KEPT_SECONDS = 60.0
_ENOUGH = 100
"""Exchanges of stable from which its rates mean something."""
_TIERS = {"harm": "harmlessness", "honesty": "honesty", "helpfulness": "helpfulness"}


class Known(msgspec.Struct, frozen=True):
    """`traffic` None: none was seen. `rates`, `unscored`: shares of stable in the last week, by metric."""

    traffic: Traffic | None
    rates: dict[str, float]
    unscored: dict[str, float]

    def unscored_of(self, plan: Plan) -> tuple[float, ...]:
        """By guardrail; 1 for what it isn't known of; empty where nothing is known."""
        return tuple(self.unscored.get(each.metric, 1.0) for each in plan.guardrails) if self.unscored else ()


class TrafficReader:
    """Asks the index, at most once a minute for each model."""

    def __init__(self, index: ExchangeIndex, constitution: Constitution, clock: Clock) -> None:
        self._index = index
        self._clock = clock
        self._tiers = {each.id: each.tier.value for each in constitution.principles}
        self._kept: dict[str, tuple[float, Known]] = {}

    def read(self, model: str, stable: str) -> Known:
        """What is known now, or was a minute ago. Raises QueryTooSlow."""
        kept = self._kept.get(model)
        now = self._clock.monotonic()
        if kept is None or now - kept[0] >= _KEPT_SECONDS:
            kept = self._kept[model] = (now, self._read(model, stable))
        return kept[1]

    def _read(self, model: str, stable: str) -> Known:
        now_us = self._clock.now_us()
        first_us = self._index.first_hour(model, now_us - _WEEK_HOURS * HOUR_US)
        if first_us is None:
            return Known(None, {}, {})
        windows: list[tuple[float, float]] = []
        exchanges = 0.0
        for hours in _WINDOWS_HOURS:
            since_us = max((now_us // HOUR_US - hours) * HOUR_US, first_us)
            found = self._index.rates(model, since_us)
            seconds = (now_us - since_us) / 1e6
            if seconds > 0 and (not windows or seconds > windows[-1][0]):
                windows.append((seconds, float(sum(arm.units for arm in found.arms))))
            if hours == _DAY_HOURS and seconds > 0:
                exchanges = sum(arm.exchanges for arm in found.arms) / seconds
        arm = _arm(found, stable)
        return Known(Traffic(exchanges, tuple(windows)), self._rates(arm), self._unscored(arm))

    def _rates(self, arm: ArmCounts | None) -> dict[str, float]:
        """At least one of those looked at is taken to violate: no rate is known to be 0."""
        if arm is None:
            return {}
        counts = {
            "over_refusal": (arm.over_refusals, arm.over_refusal_evaluated),
            "refusal": (arm.refusals, arm.refusal_evaluated),
            "errors": (arm.upstream_errors, arm.exchanges),
        }
        for each in arm.principles:
            counts[f"principle:{each.principle}"] = (each.violations, each.evaluated)
        for metric, tier in _TIERS.items():
            of_tier = [each for each in arm.principles if self._tiers.get(each.principle) == tier]
            looked_at = max((each.evaluated for each in of_tier), default=0)
            counts[metric] = (sum(each.violations for each in of_tier), looked_at)
        return {metric: min(max(found, 1) / of, 1.0) for metric, (found, of) in counts.items() if of >= _ENOUGH}

    def _unscored(self, arm: ArmCounts | None) -> dict[str, float]:
        if arm is None or arm.exchanges < _ENOUGH:
            return {}
        evaluated = {each.principle: each.evaluated for each in arm.principles}
        looked_at: dict[str, int] = {
            "over_refusal": arm.over_refusal_evaluated,
            "refusal": arm.refusal_evaluated,
            "errors": arm.exchanges,
            "length": arm.exchanges,
        }
        looked_at |= {f"principle:{each}": evaluated.get(each, 0) for each in self._tiers}
        for metric, tier in _TIERS.items():
            looked_at[metric] = _least(evaluated, self._tiers, tier)
        return {metric: 1 - count / arm.exchanges for metric, count in looked_at.items()}


def _least(evaluated: Mapping[str, int], tiers: Mapping[str, str], tier: str) -> int:
    """How often the principle of a tier that was looked at least was looked at."""
    return min((evaluated.get(each, 0) for each, where in tiers.items() if where == tier), default=0)


def _arm(found: Rates, name: str) -> ArmCounts | None:
    return next((arm for arm in found.arms if arm.arm == name), None)
