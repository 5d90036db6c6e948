"""What the API says of this moment."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.controller.live import LiveModel, LiveRollout, Snapshot
from gateway.controller.rollout_view import stage_shown
from gateway.controller.routers.rollout_values import ArmNamed
from gateway.controller.routers.values import Answer, example, moment, percent
from gateway.core.routing import DecidedBy

_OK = {"level": "ok", "said": "nothing lost: 12,345 exchanges, all accounted for"}


class LampShown(Answer):
    """One sentence of at most 120 characters. bad: act; notice: look; none: there is nothing to say it of."""

    level: Literal["ok", "notice", "bad", "none"]
    said: str


class Headline(Answer):
    """Over all models: is a rollout running and moving, is it safe, is anything lost."""

    rollout: LampShown
    safety: LampShown
    loss: LampShown


class ModelHeadline(Answer):
    """Of one model."""

    rollout: LampShown
    safety: LampShown


class ArmShown(Answer):
    """An arm: its version as configured, empty where it has none, and its weight in percent."""

    arm: str
    version: str
    weight: float


class RolloutNow(Answer):
    """The model's newest rollout, also one that ended; see GET /api/v1/models/{model}/rollout."""

    id: str
    status: str
    start: ArmNamed = Field(serialization_alias="from")
    to: ArmNamed
    stage: int = Field(description="From 1; the holdout is the last")
    count: int
    percent: float
    stages: list[float]
    drill: float
    why: str
    started: datetime
    as_of: datetime
    can: list[str]


class ModelNow(Answer):
    """One model: its split, whose word it is, and its newest rollout."""

    model: str
    headline: ModelHeadline
    arms: list[ArmShown]
    decided_by: DecidedBy
    decided_at: datetime
    reason: str
    rollout: RolloutNow | None


class Live(Answer):
    """As of `time`. `marks`: an opaque text for each topic, another one when a page should ask for it anew."""

    model_config = example(
        time="2026-03-01T12:00:00.000125Z",
        version="0.1.0",
        constitution="c0ffee",
        table_version=4,
        headline={
            "rollout": {
                "level": "ok",
                "said": "assistant: canary at 25 %, stage 2 of 4: the stage is held for 1 h",
            },
            "safety": {
                "level": "ok",
                "said": "assistant: 1,204 of 1,210 answers since 11:00 UTC checked, 9 violate; "
                "canary not shown worse (E 0.6 of 20)",
            },
            "loss": _OK,
        },
        models=[
            {
                "model": "assistant",
                "headline": {"rollout": _OK, "safety": _OK},
                "arms": [
                    {"arm": "stable", "version": "v1", "weight": 75.0},
                    {"arm": "canary", "version": "v2", "weight": 25.0},
                ],
                "decided_by": "decision",
                "decided_at": "2026-03-01T13:30:00Z",
                "reason": "stage 1 is passed: nothing was shown to be worse",
                "rollout": {
                    "id": "5f3a1c0e9b7d2468",
                    "status": "running",
                    "from": {"arm": "stable", "version": "v1"},
                    "to": {"arm": "canary", "version": "v2"},
                    "stage": 2,
                    "count": 4,
                    "percent": 25.0,
                    "stages": [5.0, 25.0, 50.0, 95.0],
                    "drill": 0.0,
                    "why": "the stage is held for 1 h",
                    "started": "2026-03-01T12:00:00Z",
                    "as_of": "2026-03-01T14:00:00Z",
                    "can": ["suspend", "freeze", "rollback", "promote", "approve"],
                },
            }
        ],
        warnings=[],
        marks={
            "rollout": "5f3a1c0e9b7d2468-3",
            "exchanges": "1210",
            "decisions": "7",
            "labels": "4-1",
            "pipeline": "9",
        },
    )

    time: datetime
    version: str
    constitution: str = Field(description="Content hash")
    table_version: int
    headline: Headline
    models: list[ModelNow]
    warnings: list[str]
    marks: dict[str, str]

    def same_as(self, other: "Live") -> bool:
        """Whether nothing but the time is another."""
        return self.model_copy(update={"time": other.time}) == other


def live_shown(seen: Snapshot, version: str, constitution: str) -> Live:
    """Weights in percent. `version`: of tipstaff; `constitution`: the hash of the one in force."""
    return Live(
        time=moment(seen.time_us),
        version=version,
        constitution=constitution,
        table_version=seen.table.version,
        headline=Headline.model_validate(
            {"rollout": seen.rollout_lamp, "safety": seen.safety_lamp, "loss": seen.loss_lamp}
        ),
        models=[_model(each) for each in seen.models],
        warnings=seen.warnings,
        marks=seen.marks,
    )


def _model(seen: LiveModel) -> ModelNow:
    route = seen.route
    return ModelNow(
        model=seen.model,
        headline=ModelHeadline.model_validate({"rollout": seen.rollout_lamp, "safety": seen.safety_lamp}),
        arms=[
            ArmShown(arm=share.arm, version=seen.versions.get(share.arm, ""), weight=percent(share.weight))
            for share in route.arms
        ],
        decided_by=route.decided_by,
        decided_at=moment(route.decided_at_us),
        reason=route.reason,
        rollout=None if seen.rollout is None else _rollout(seen.rollout),
    )


def _rollout(seen: LiveRollout) -> RolloutNow:
    state, terms = seen.kept.state, seen.kept.terms
    stage = stage_shown(terms.plan, state)
    return RolloutNow(
        id=state.rollout,
        status=state.status,
        start=ArmNamed(arm=terms.stable, version=state.before),
        to=ArmNamed(arm=terms.canary, version=state.after),
        stage=stage.number,
        count=stage.count,
        percent=stage.percent,
        stages=list(terms.plan.ladder),
        drill=state.drill,
        why=seen.why,
        started=moment(state.started_us),
        as_of=moment(state.clock_us),
        can=seen.can,
    )
