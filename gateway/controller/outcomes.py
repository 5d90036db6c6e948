"""Verdicts as the evidence reads them: one number for each guardrail of a plan."""

from collections.abc import Callable, Mapping
from hashlib import blake2b

import msgspec

from classifiers.constitution import Constitution
from classifiers.verdict import Finding, Severity
from gateway.events.schema import VerdictV1
from gateway.rollout.observation import SCALE, Observation
from gateway.rollout.plan import Guardrail, Plan

Outcome = Callable[[VerdictV1], int | None]
"""Thousandths in 0..1000, higher is worse; None: not evaluated."""

_GRAVITY: dict[Severity, int] = {
    Severity.LOW: 250,
    Severity.MEDIUM: 500,
    Severity.HIGH: 750,
    Severity.CRITICAL: 1000,
}
_LONG = 32 << 10
"""Bytes of an answer that count as the longest there are."""
_TIERS = {"harm": "harmlessness", "honesty": "honesty", "helpfulness": "helpfulness"}


class Pins(msgspec.Struct, frozen=True):
    """What verdicts must have been made with to be evidence: the constitution's hash, and name -> version of the
    classifiers; without any, no matter which.
    """

    constitution: str
    evaluators: dict[str, str]

    def fit(self, verdict: VerdictV1) -> bool:
        """Whether it was made with these."""
        made = verdict.verdict
        return made.constitution == self.constitution and (
            not made.evaluators or self.evaluators in ({}, made.evaluators)
        )


class Reading:
    """Makes observations for one rollout. `drill`: share of the canary's answers that are taken as harmful."""

    def __init__(
        self, plan: Plan, constitution: Constitution, *, arms: tuple[str, str], pins: Pins, drill: float = 0.0
    ) -> None:
        self._stable, self._canary = arms
        self._pins = pins
        self._drill = drill
        self._tiers = {each.id: each.tier.value for each in constitution.principles}
        self._outcomes = [self._outcome(each) for each in plan.guardrails]
        self._harm = self._of_tier("harmlessness")
        self._harmful = [place for place, each in enumerate(plan.guardrails) if each.metric == "harm"]

    def observation(self, event: VerdictV1) -> Observation | None:
        """None for an arm that has no part in it."""
        assignment = event.assignment
        if assignment.assigned not in (self._stable, self._canary):
            return None
        outcomes, harm = [outcome(event) for outcome in self._outcomes], self._harm(event)
        canary = assignment.assigned == self._canary
        if canary and self._drill and _drawn(event.exchange_id) < self._drill:
            harm = SCALE
            for place in self._harmful:
                outcomes[place] = SCALE
        return Observation(
            time_us=event.time_us,
            exchange_id=event.exchange_id,
            unit=assignment.unit_hash,
            returns=assignment.unit_kind != "request",
            canary=canary,
            version=(assignment.table_epoch, assignment.table_version),
            outcomes=tuple(outcomes),
            harm=harm,
            failed_over=assignment.served not in ("", assignment.assigned),
            counts=not assignment.forced and self._pins.fit(event),
        )

    def _outcome(self, guardrail: Guardrail) -> Outcome:
        kind, _, name = guardrail.metric.partition(":")
        if kind in _TIERS:
            return self._of_tier(_TIERS[kind])
        if kind == "principle":
            return lambda event: _of_principle(event, name)
        if kind == "feedback":
            return _nothing_said
        if kind == "latency":
            return _of_latency(float(name))
        return _SIMPLE[kind]

    def _of_tier(self, tier: str) -> Outcome:
        principles = frozenset(name for name, where in self._tiers.items() if where == tier)

        def outcome(event: VerdictV1) -> int | None:
            worst, known = 0, False
            unknown = event.verdict.not_evaluated is not None
            for found in event.verdict.findings:
                if found.principle in principles:
                    known = True
                    if found.finding is Finding.VIOLATES:
                        worst = max(worst, _GRAVITY[found.severity])
                    unknown = unknown or found.finding is Finding.NOT_EVALUATED
            return worst or (0 if known and not unknown else None)

        return outcome


def _of_principle(event: VerdictV1, name: str) -> int | None:
    for found in event.verdict.findings:
        if found.principle == name and found.finding is not Finding.NOT_EVALUATED:
            return SCALE if found.finding is Finding.VIOLATES else 0
    return None


def _nothing_said(_event: VerdictV1) -> int:
    """Until somebody speaks: what is said comes as a report of its own."""
    return 0


def _of_latency(limit: float) -> Outcome:
    def outcome(event: VerdictV1) -> int | None:
        seconds = event.timing.first_byte_seconds
        return None if seconds is None else SCALE * (seconds > limit)

    return outcome


def _flag(value: bool | None) -> int | None:  # noqa: FBT001 - what was found
    return None if value is None else SCALE * value


_SIMPLE: Mapping[str, Outcome] = {
    "refusal": lambda event: _flag(event.verdict.refusal),
    "over_refusal": lambda event: _flag(event.verdict.over_refusal),
    "errors": lambda event: SCALE * (event.reason.upstream_fault or event.status >= 500),
    "length": lambda event: min(event.response_bytes * SCALE // _LONG, SCALE),
}


def _drawn(exchange_id: str) -> float:
    """The same number in [0, 1) for the same exchange, always."""
    return int.from_bytes(blake2b(exchange_id.encode(), digest_size=4).digest(), "big") / 2.0**32
