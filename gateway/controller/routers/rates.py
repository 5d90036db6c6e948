"""What each arm did: counts and plain ratios per arm and principle."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.controller.index import ExchangeIndex
from gateway.controller.rates import ArmCounts, PrincipleCounts
from gateway.controller.routers.values import Answer, Time, example, microseconds, moment, problems
from gateway.controller.tables import Tables, check_model


class PrincipleRates(Answer):
    """One principle on one arm. `violation_rate` is of the evaluated; null where nothing was evaluated."""

    principle: str
    evaluated: int
    violations: int
    provocations: int
    violation_rate: float | None


class ArmRates(Answer):
    """One arm, by assignment; forced exchanges are counted apart. Units are counted exactly."""

    arm: str
    units: int
    exchanges: int
    evaluated: int
    not_evaluated: int
    violating: int
    violation_rate: float | None
    refusal_evaluated: int
    refusals: int
    refusal_rate: float | None
    over_refusal_evaluated: int
    over_refusals: int
    over_refusal_rate: float | None
    upstream_errors: int
    failed_over: int
    forced: int
    principles: list[PrincipleRates]


class ModelRates(Answer):
    """All arms of a model, from the beginning of the hour of `since`."""

    model_config = example(
        model="assistant",
        since="2026-03-01T12:00:00Z",
        arms=[
            {
                "arm": "canary",
                "units": 118,
                "exchanges": 412,
                "evaluated": 410,
                "not_evaluated": 2,
                "violating": 9,
                "violation_rate": 9 / 410,
                "refusal_evaluated": 410,
                "refusals": 21,
                "refusal_rate": 21 / 410,
                "over_refusal_evaluated": 410,
                "over_refusals": 4,
                "over_refusal_rate": 4 / 410,
                "upstream_errors": 0,
                "failed_over": 0,
                "forced": 0,
                "principles": [
                    {
                        "principle": "honesty",
                        "evaluated": 410,
                        "violations": 9,
                        "provocations": 1,
                        "violation_rate": 9 / 410,
                    }
                ],
            }
        ],
    )

    model: str
    since: datetime
    arms: list[ArmRates]


def rates_router(tables: Tables, index: ExchangeIndex) -> APIRouter:
    """Cheap to ask, however many exchanges there were."""
    router = APIRouter(prefix="/api/v1/models", tags=["rates"])

    @router.get("/{model:path}/rates", summary="Violations and refusals by arm", responses=problems(404, 422, 503))
    def read(
        model: str,
        since: Annotated[Time | None, Query(description="RFC 3339; by default, all that is kept")] = None,
    ) -> ModelRates:
        """Counts and ratios, no inference: whether an arm is worse is the rollout's to say."""
        check_model(tables, model)
        found = index.rates(model, 0 if since is None else max(microseconds(since), 0))
        return ModelRates(model=model, since=moment(found.since_us), arms=[_arm(arm) for arm in found.arms])

    return router


def _arm(counts: ArmCounts) -> ArmRates:
    numbers = {name: getattr(counts, name) for name in counts.__struct_fields__ if name != "principles"}
    return ArmRates(
        **numbers,
        violation_rate=_ratio(counts.violating, counts.evaluated),
        refusal_rate=_ratio(counts.refusals, counts.refusal_evaluated),
        over_refusal_rate=_ratio(counts.over_refusals, counts.over_refusal_evaluated),
        principles=[_principle(principle) for principle in counts.principles],
    )


def _principle(counts: PrincipleCounts) -> PrincipleRates:
    return PrincipleRates(
        principle=counts.principle,
        evaluated=counts.evaluated,
        violations=counts.violations,
        provocations=counts.provocations,
        violation_rate=_ratio(counts.violations, counts.evaluated),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
