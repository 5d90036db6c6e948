"""What the API says of rollouts, and what it is told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.controller.routers.correction_values import CORRECTION, CorrectionShown
from gateway.controller.routers.values import Answer, example
from gateway.controller.routers.weights import Reason

PlanGiven = Annotated[
    str | dict[str, Any],
    Field(description="A preset (cautious, balanced, fast, compare), or `preset` and what is changed of it"),
]
Word = Literal["suspend", "resume", "freeze", "rollback", "promote", "approve", "finish", "undo", "retry"]


_RATES = {"periods": 120, "mean": 0.01, "low": 0.0, "high": 0.04}
_EVIDENCE: dict[str, Any] = {
    "rows": [
        {
            "guardrail": "harm",
            "weight": 0.5,
            "promotes": True,
            "stable": _RATES,
            "canary": _RATES,
            "low": -0.03,
            "high": 0.03,
            "worse": -0.2,
            "alarm": -0.1,
            "no_worse": 0.4,
            "no_worse_needs": 1.0,
            "not_evaluated": [0.0, 0.0],
            "firsts": [{"stable": 0, "canary": 0, "due": 0.0}, {"stable": 2, "canary": 1, "due": 0.75}],
        }
    ],
    "mean": -0.2,
    "needs": 1.3,
    "alarm": -0.1,
    "alarm_needs": 1.3,
    "mismatch": -0.5,
    "mismatch_needs": 3.0,
    "units": [300, 100],
    "budget_spent": 0.0,
    "budget": 100.0,
}


class PlanWanted(BaseModel):
    """A plan to be looked at."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"plan": "balanced"}]})

    plan: PlanGiven = "balanced"


class RolloutWanted(BaseModel):
    """A rollout to be started. `from`: the first arm, also when left out."""

    model_config = ConfigDict(
        extra="forbid",
        validate_by_alias=True,
        json_schema_extra={"examples": [{"to": "canary", "plan": "balanced", "reason": "v2 of the assistant"}]},
    )

    to: str = Field(description="The arm that shall take over")
    start: str = Field(default="", alias="from", description="The arm in force")
    plan: PlanGiven = "balanced"
    reason: Reason = Field(description="Why; kept in the decision")
    drill: float | None = Field(
        default=None, gt=0, le=1, description="A drill: share of the canary's answers taken as harmful"
    )


class WordGiven(BaseModel):
    """Why an operator says it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "a complaint"}]})

    reason: Reason = Field(description="Kept in the decision")


class StageForeseen(Answer):
    """One stage: `percent` of the canary, `held` at least and `seconds` expected (null: it never ends at this
    traffic), `periods` of units that must close, and what takes longest.
    """

    percent: float
    held: float
    periods: int
    seconds: float | None
    decided_by: str
    approval: bool


class GuardrailShown(Answer):
    """What must not get worse: by more than `margin` for "no worse", by more than `tolerated` for "worse"."""

    metric: str
    margin: float
    tolerated: float
    weight: float
    promotes: bool
    ratio: float


class PlanForeseen(Answer):
    """What a plan would do and take, for a canary that is as good as stable. Times in seconds.

    `expected`: null where it cannot finish at this traffic, and `why_not` says why. `budget_chance`: that a healthy
    canary uses up the harm budget. `rates`: what each guardrail's rate on stable was taken to be.
    """

    model_config = example(
        model="assistant",
        plan={"preset": "fast"},
        stages=[
            {
                "percent": 5.0,
                "held": 3600.0,
                "periods": 400,
                "seconds": 24942.9,
                "decided_by": "units",
                "approval": False,
            }
        ],
        guardrails=[
            {
                "metric": "harm",
                "margin": 0.02,
                "tolerated": 0.0,
                "weight": 5.0,
                "promotes": True,
                "ratio": 1.0,
            }
        ],
        least=32400.0,
        expected=64987.6,
        why_not="",
        budget_chance=0.0,
        harm_budget=100.0,
        rates={"harm": 0.01},
        notes=[],
    )

    model: str
    plan: dict[str, Any]
    stages: list[StageForeseen]
    guardrails: list[GuardrailShown]
    least: float
    expected: float | None
    why_not: str
    budget_chance: float | None
    harm_budget: float
    rates: dict[str, float]
    notes: list[str]


class ArmNamed(Answer):
    """An arm and the version of it that this rollout is about."""

    arm: str
    version: str


class StageShown(Answer):
    """The stage in force: `number` of `count`, the holdout being the last; `percent` of the canary."""

    number: int
    count: int
    name: Literal["stage", "holdout"]
    percent: float
    began: datetime
    exchanges: tuple[int, int] = Field(description="Counted in it, stable and canary")
    closed: tuple[int, int] = Field(description="Periods of units that closed in it, stable and canary")


class LeftShown(Answer):
    """One thing that holds the canary back; `seconds` null: it depends on people, or can't be said."""

    what: str
    said: str
    seconds: float | None


class RatesShown(Answer):
    """One arm's outcomes: closed periods, their mean in [0, 1], a 95 % confidence sequence."""

    periods: int
    mean: float
    low: float
    high: float


class FirstViolationsShown(Answer):
    """How many first violations (of a unit, in a stage, under one deal) the fast alarm counted, by arm. `due`: how
    many of all of them would be the canary's if it violated as often as stable.
    """

    stable: int
    canary: int
    due: float


class EvidenceRowShown(Answer):
    """One guardrail. E-values as log10. `low`, `high`: 95 % confidence sequence of canary minus stable.

    `not_evaluated`: share of exchanges, stable and canary. `firsts`: what `alarm` was made from, in the stages
    before and in this one; null: the rollout is from before it was counted.
    """

    guardrail: str
    weight: float
    promotes: bool
    stable: RatesShown
    canary: RatesShown
    low: float
    high: float
    worse: float
    alarm: float
    no_worse: float
    no_worse_needs: float
    not_evaluated: tuple[float, float]
    firsts: tuple[FirstViolationsShown, FirstViolationsShown] | None


class EvidenceShown(Answer):
    """Everything that the rules go by; e-values and what they need as log10."""

    rows: list[EvidenceRowShown]
    mean: float
    needs: float
    alarm: float
    alarm_needs: float
    mismatch: float
    mismatch_needs: float
    units: tuple[int, int]
    budget_spent: float
    budget: float


class RolloutShown(Answer):
    """A model's newest rollout. `from` and `to` are its arms; `can`: what an operator may say now.

    `left`: what holds the canary back; `stage_seconds` and `whole_seconds`: expected until the stage ends, until
    everyone has the canary. `correction`: what labels make of the classifiers' counts; null where they have no say,
    in a drill and without a guardrail on harm. `left_out`: verdicts that are no evidence, by reason. `yaml`: once
    finished, what the configuration should say of the model.
    """

    model_config = example(
        id="5f3a1c0e9b7d2468",
        model="assistant",
        status="running",
        **{"from": {"arm": "stable", "version": "v1"}, "to": {"arm": "canary", "version": "v2"}},
        plan={"preset": "fast"},
        started="2026-03-01T12:00:00Z",
        as_of="2026-03-01T14:00:00Z",
        stages=[5.0, 25.0, 50.0, 95.0],
        stage={
            "number": 2,
            "count": 4,
            "name": "stage",
            "percent": 25.0,
            "began": "2026-03-01T13:30:00Z",
            "exchanges": [750, 251],
            "closed": [120, 41],
        },
        why="the stage is held for 1 h",
        left=[{"what": "dwell", "said": "the stage is held for 1 h", "seconds": 1800.0}],
        stage_seconds=1800.0,
        whole_seconds=50000.0,
        old_arm_free=None,
        old_arm="until 7 days after the promotion, as long as that can be undone",
        evidence=_EVIDENCE,
        left_out={"forced": 3},
        labels=CORRECTION["said"],
        correction=CORRECTION,
        drill=0.0,
        can=["suspend", "freeze", "rollback", "promote", "approve"],
        last_decision="5f3a1c0e9b7d2468-3",
        yaml=None,
    )

    id: str
    model: str
    status: str
    stable: ArmNamed = Field(serialization_alias="from")
    canary: ArmNamed = Field(serialization_alias="to")
    plan: dict[str, Any]
    started: datetime
    as_of: datetime = Field(description="How far canonical time is known")
    stages: list[float] = Field(description="Percent, stage by stage; the holdout last")
    stage: StageShown
    why: str
    left: list[LeftShown]
    stage_seconds: float | None
    whole_seconds: float | None
    old_arm_free: datetime | None = Field(description="When the old arm may be switched off")
    old_arm: str
    evidence: EvidenceShown
    left_out: dict[str, int]
    labels: str = Field(description="What people's labels say by now, a sentence")
    correction: CorrectionShown | None
    drill: float
    can: list[str]
    last_decision: str
    yaml: str | None


class RolloutEnded(Answer):
    """One rollout in a model's history."""

    id: str
    status: str
    from_version: str
    to_version: str
    preset: str
    started: datetime
    as_of: datetime
    decisions: int
    drill: float


class RolloutHistory(Answer):
    """Newest first."""

    model_config = example(
        model="assistant",
        rollouts=[
            {
                "id": "5f3a1c0e9b7d2468",
                "status": "rolled_back",
                "from_version": "v1",
                "to_version": "v2",
                "preset": "fast",
                "started": "2026-03-01T12:00:00Z",
                "as_of": "2026-03-01T14:00:00Z",
                "decisions": 4,
                "drill": 0.0,
            }
        ],
    )

    model: str
    rollouts: list[RolloutEnded]
