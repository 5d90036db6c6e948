"""The evidence as a decision states it, and as people are shown it."""

from math import log10

from gateway.core.evidence import Evidence as Stated
from gateway.core.evidence import EvidenceRow
from gateway.rollout.correction import UNCORRECTED
from gateway.rollout.decide import spent
from gateway.rollout.decision import Decision
from gateway.rollout.evidence import MISMATCH_ALPHA, Evidence
from gateway.rollout.plan import Plan
from gateway.rollout.state import RolloutState


def stated(plan: Plan, state: RolloutState, evidence: Evidence) -> Stated:
    """Everything that the rules went by, as values."""
    return Stated(
        rows=_rows(plan, state, evidence),
        mean=_log10(evidence.mean()),
        needs=log10(1 / plan.alpha),
        alarm=_log10(evidence.alarm_mean()),
        alarm_needs=log10(1 / plan.alarm_alpha),
        mismatch=evidence.mismatch.log10()[0],
        mismatch_needs=log10(1 / MISMATCH_ALPHA),
        units=(state.units[0], state.units[1]),
        budget_spent=spent(state),
        budget=plan.harm_budget,
    )


def labels_said(made: Decision, state: RolloutState) -> str:
    """What labels said when the canary got more traffic; that there were none, too. Empty for other decisions."""
    if made.kind not in ("advance", "promote") or state.drill:
        return ""
    return UNCORRECTED if state.labels is None else state.labels.said


def _rows(plan: Plan, state: RolloutState, evidence: Evidence) -> tuple[EvidenceRow, ...]:
    size = len(plan.guardrails)
    tests, alarms = evidence.tests.log10(), evidence.alarm.log10()
    return tuple(
        EvidenceRow(
            guardrail=each.metric,
            weight=plan.weights[place],
            promotes=each.promotes,
            stable=evidence.mean_of(place, canary=False),
            canary=evidence.mean_of(place, canary=True),
            low=evidence.difference(place)[0],
            high=evidence.difference(place)[1],
            worse=tests[place],
            alarm=alarms[place],
            no_worse=tests[size + 2 + place],
            no_worse_needs=log10(1 / plan.promotion_alpha),
            not_evaluated=_not_evaluated(state, place),
            firsts=evidence.firsts(place),
        )
        for place, each in enumerate(plan.guardrails)
    )


def _not_evaluated(state: RolloutState, place: int) -> tuple[float, float]:
    stable, canary = (
        missing[place] / total if total else 0.0
        for missing, total in zip(state.stage.missing, state.stage.exchanges, strict=True)
    )
    return stable, canary


def _log10(value: float) -> float:
    return log10(value) if value > 0 else -400.0
