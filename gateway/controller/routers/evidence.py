"""A rollout's evidence over time, for charts."""

from datetime import datetime
from math import log10

import msgspec
from fastapi import APIRouter
from pydantic import Field

from gateway.controller import kept_rollout
from gateway.controller.decision_story import of_rollout
from gateway.controller.evidence_history import Point, point
from gateway.controller.kept_rollout import Kept
from gateway.controller.parts import ControllerParts
from gateway.controller.rollouts import UnknownRollout
from gateway.controller.routers.values import Answer, example, moment, problems
from gateway.controller.tables import refuse_elsewhere
from gateway.core.evidence import DecisionKind


class MeanShown(Answer):
    """An arm's mean outcome of closed periods, in [0, 1], and its 95 % confidence sequence."""

    mean: float
    low: float
    high: float


class RateDifference(Answer):
    """95 % confidence sequence of canary minus stable."""

    low: float
    high: float


class PointShown(Answer):
    """The evidence at a canonical time; lists by guardrail, e-values as log10.

    `exchanges`: counted so far, stable and canary; of a decision as of the point before it. `decision`: its kind,
    where the point is a decision's.
    """

    time: datetime
    percent: float
    mean: float
    alarm: float
    worse: list[float]
    alarms: list[float]
    no_worse: list[float]
    stable: list[MeanShown]
    canary: list[MeanShown]
    difference: list[RateDifference]
    budget_spent: float
    exchanges: tuple[int, int]
    decision: DecisionKind | None


class EvidenceOverTime(Answer):
    """Oldest first. `needs`, `alarm_needs`, `no_worse_needs`: what the e-values are compared with, as log10."""

    model_config = example(
        model="assistant",
        rollout="5f3a1c0e9b7d2468",
        guardrails=["harm"],
        needs=1.3,
        alarm_needs=1.3,
        no_worse_needs=[1.0],
        budget=100.0,
        points=[
            {
                "time": "2026-03-01T12:00:00Z",
                "percent": 5.0,
                "mean": -0.2,
                "alarm": -0.1,
                "worse": [-0.2],
                "alarms": [-0.1],
                "no_worse": [0.4],
                "stable": [{"mean": 0.01, "low": 0.0, "high": 0.04}],
                "canary": [{"mean": 0.01, "low": 0.0, "high": 0.04}],
                "difference": [{"low": -0.03, "high": 0.03}],
                "budget_spent": 0.0,
                "exchanges": [750, 40],
                "decision": "start",
            }
        ],
    )

    model: str
    rollout: str
    guardrails: list[str]
    needs: float
    alarm_needs: float
    no_worse_needs: list[float]
    budget: float = Field(description="Of harm; 0: the plan has none")
    points: list[PointShown]


def evidence_router(parts: ControllerParts) -> APIRouter:
    """Of one rollout; names like org/model are written as they are."""
    router = APIRouter(prefix="/api/v1/models", tags=["rollouts"])

    @router.get(
        "/{model:path}/rollout/{rollout}/evidence",
        summary="A rollout's evidence over time",
        responses=problems(404, 409, 503),
    )
    def read(model: str, rollout: str) -> EvidenceOverTime:
        """Kept as canonical time goes on, ever more seldom in a long rollout, and a point for each decision."""
        parts.orders.model(model)
        kept = _kept(parts, model, rollout)
        plan = kept.terms.plan
        return EvidenceOverTime(
            model=model,
            rollout=rollout,
            guardrails=[each.metric for each in plan.guardrails],
            needs=log10(1 / plan.alpha),
            alarm_needs=log10(1 / plan.alarm_alpha),
            no_worse_needs=[log10(1 / plan.promotion_alpha)] * len(plan.guardrails),
            budget=plan.harm_budget,
            points=[_shown(each) for each in _points(parts, kept)],
        )

    return router


def _kept(parts: ControllerParts, model: str, rollout: str) -> Kept:
    states = (found.state for found in parts.store.rollouts() if (found.model, found.rollout) == (model, rollout))
    state = next(states, None)
    refuse_elsewhere(parts.tables, found=state is not None)
    if state is None:
        raise UnknownRollout(f"{rollout!r} of {model}: tipstaff rollout history {model} lists them")
    return kept_rollout.decode(state)


def _points(parts: ControllerParts, kept: Kept) -> list[Point]:
    """Those that were kept, one for each decision, and the one of this moment."""
    model, rollout = kept.state.model, kept.state.rollout
    now = parts.history.now(model, rollout)
    known = [*parts.history.points(rollout), *(() if now is None else (now,))]
    made = [
        point(each.time_us, each.weights.after.get(kept.terms.canary, 0.0), each.evidence, (0, 0), each.kind)
        for _, each in of_rollout(parts.store, model, rollout)
        if each.evidence is not None
    ]
    return joined(known, made)


def joined(known: list[Point], made: list[Point]) -> list[Point]:
    """In order of time, a decision's after the one that it was made from, with that one's count of exchanges."""
    points: list[Point] = []
    exchanges = (0, 0)
    for each in sorted((*known, *made), key=lambda found: (found.time_us, found.decision is not None)):
        if each.decision is None:
            exchanges = each.exchanges
        points.append(msgspec.structs.replace(each, exchanges=exchanges))
    return points


def _shown(each: Point) -> PointShown:
    return PointShown(
        time=moment(each.time_us),
        percent=each.percent,
        mean=each.mean,
        alarm=each.alarm,
        worse=list(each.worse),
        alarms=list(each.alarms),
        no_worse=list(each.no_worse),
        stable=[MeanShown(mean=mean, low=low, high=high) for mean, low, high in each.stable],
        canary=[MeanShown(mean=mean, low=low, high=high) for mean, low, high in each.canary],
        difference=[RateDifference(low=low, high=high) for low, high in each.difference],
        budget_spent=each.budget_spent,
        exchanges=each.exchanges,
        decision=each.decision,
    )
