"""Level alarms: what is watched, what is raised, and that somebody has seen it."""

from datetime import datetime

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.controller.levels import Levels, Shown
from gateway.controller.routers.values import Answer, example, moment, problems, refusals
from gateway.controller.routers.weights import Reason
from gateway.controller.routers.who import Who

log = structlog.get_logger(__name__)


class LevelShown(Answer):
    """One alarm. `budget`, `rate`: mean share, in [0, 1], of a unit's answers within an hour; `rate` of the three
    hours before it was raised. `raised`: null while all is well.
    """

    model: str
    arm: str
    principle: str
    budget: float
    rate: float | None
    raised: datetime | None


class LevelsShown(Answer):
    """Every alarm that watches; a model is watched once it has had a week of traffic."""

    model_config = example(
        alarms=[
            {
                "model": "assistant",
                "arm": "stable",
                "principle": "privacy",
                "budget": 0.012,
                "rate": 0.031,
                "raised": "2026-03-01T12:00:00Z",
            }
        ]
    )

    alarms: list[LevelShown]


class Acknowledged(BaseModel):
    """Which alarm, and what was found."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"arm": "stable", "principle": "privacy", "reason": "a new jailbreak: rule 12"}]
        },
    )

    arm: str
    principle: str
    reason: Reason = Field(description="What was found; kept in the log")


def levels_router(levels: Levels) -> APIRouter:
    """Read them, and begin one anew."""
    router = APIRouter(prefix="/api/v1", tags=["levels"])

    @router.get("/levels", summary="Level alarms", responses=problems(503))
    def read() -> LevelsShown:
        """Raised ones first."""
        found = sorted(levels.shown(), key=lambda each: -each.raised_us)
        return LevelsShown(alarms=[_shown(each) for each in found])

    @router.post(
        "/models/{model:path}/levels/acknowledge",
        summary="Acknowledge a level alarm",
        responses=refusals(404, 503),
    )
    def acknowledge(model: str, given: Acknowledged, who: Who) -> LevelsShown:
        """It begins anew. 404 where it is not raised."""
        levels.acknowledge(model, given.arm, given.principle)
        log.info(
            "level alarm acknowledged",
            model=model,
            arm=given.arm,
            principle=given.principle,
            actor=who.name,
            reason=given.reason,
        )
        return read()

    return router


def _shown(each: Shown) -> LevelShown:
    return LevelShown(
        model=each.model,
        arm=each.arm,
        principle=each.principle,
        budget=each.budget,
        rate=each.rate if each.raised_us else None,
        raised=moment(each.raised_us) if each.raised_us else None,
    )
