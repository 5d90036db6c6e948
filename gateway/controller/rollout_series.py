"""What /metrics shows of each model's last rollout: its state, its evidence, what it needs. Pure."""

from collections.abc import Iterator
from typing import get_args

import msgspec

from gateway.controller.kept_rollout import Kept
from gateway.core.evidence import Evidence, EvidenceRow, Rates
from gateway.rollout.state import Status
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Reading

ALL_GUARDRAILS = "all"
"""The guardrail of what is said of all of them together."""


class Standing(msgspec.Struct, frozen=True):
    """A rollout at a moment: `time_us` of canonical time. `decided`: of each kind of decision by whom the last one
    was made, and when, in microseconds of the wall clock. `share`: the canary's, in [0, 1]; `exchanges` by arm.
    """

    rollout: str
    time_us: int
    share: float
    exchanges: tuple[int, int]
    model: str
    stable: str
    canary: str
    status: Status
    drill: bool
    decided: dict[str, tuple[str, int]]
    evidence: Evidence

    @classmethod
    def of(cls, kept: Kept, evidence: Evidence) -> "Standing":
        """`evidence`: as a decision would state it now."""
        state, terms = kept.state, kept.terms
        return cls(
            state.rollout,
            state.clock_us,
            state.stage.share,
            (state.exchanges[0], state.exchanges[1]),
            state.model,
            terms.stable,
            terms.canary,
            state.status,
            state.drill > 0,
            dict(kept.last_decisions),
            evidence,
        )


def readings(found: Standing) -> Iterator[Reading]:
    """Every series of one rollout."""
    trial, evidence = (found.model, found.canary), found.evidence
    for status in get_args(Status):
        yield Reading(metrics.ROLLOUT_STATE, (*trial, status), float(status == found.status))
    yield Reading(metrics.ROLLOUT_DRILL, trial, float(found.drill))
    for kind, (by, time_us) in found.decided.items():
        yield Reading(metrics.ROLLOUT_DECIDED, (*trial, kind, by), time_us / 1e6)
    yield from _combined(trial, evidence)
    for row in evidence.rows:
        yield from _guardrail(trial, row)
        yield from _rates((found.model, found.stable), row.guardrail, row.stable)
        yield from _rates(trial, row.guardrail, row.canary)
    for arm, units in zip((found.stable, found.canary), evidence.units, strict=True):
        yield Reading(metrics.ROLLOUT_UNITS, (found.model, arm), units)


def _combined(trial: tuple[str, str], evidence: Evidence) -> Iterator[Reading]:
    for hypothesis, value, needs in (
        ("worse", evidence.mean, evidence.needs),
        ("alarm", evidence.alarm, evidence.alarm_needs),
    ):
        labels = (*trial, ALL_GUARDRAILS, hypothesis)
        yield Reading(metrics.EVIDENCE, labels, value)
        yield Reading(metrics.EVIDENCE_NEEDED, labels, needs)
    yield Reading(metrics.SAMPLE_RATIO, trial, evidence.mismatch)
    if evidence.budget:
        yield Reading(metrics.BUDGET_USED, trial, evidence.budget_spent / evidence.budget)


def _guardrail(trial: tuple[str, str], row: EvidenceRow) -> Iterator[Reading]:
    for hypothesis, value in (("worse", row.worse), ("alarm", row.alarm), ("no_worse", row.no_worse)):
        yield Reading(metrics.EVIDENCE, (*trial, row.guardrail, hypothesis), value)
    if row.promotes:
        yield Reading(metrics.EVIDENCE_NEEDED, (*trial, row.guardrail, "no_worse"), row.no_worse_needs)
    for bound, value in (("low", row.low), ("high", row.high)):
        yield Reading(metrics.DIFFERENCE, (*trial, row.guardrail, bound), value)


def _rates(arm: tuple[str, str], guardrail: str, found: Rates) -> Iterator[Reading]:
    if found.periods:
        for bound, value in (("mean", found.mean), ("low", found.low), ("high", found.high)):
            yield Reading(metrics.ESTIMATE, (*arm, guardrail, bound), value)
