"""What the API says of decisions."""

from datetime import datetime
from typing import Self

from pydantic import Field

from gateway.controller.chain import canonical, decision_hash
from gateway.controller.chain_check import Checked
from gateway.controller.decision_story import Story
from gateway.controller.routers.rollout_values import EvidenceShown
from gateway.controller.routers.values import Answer, example, moment, percent
from gateway.core.evidence import DecisionKind
from gateway.core.routing import DecidedBy
from gateway.events.schema import DecisionV1

_DECISION = {
    "number": 2,
    "id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
    "time": "2026-03-01T12:00:00.000125Z",
    "model": "assistant",
    "kind": "weights",
    "decided_by": "operator",
    "actor": "operator",
    "reason": "no harm seen at 10 %",
    "before": {"stable": 90.0, "canary": 10.0},
    "after": {"stable": 75.0, "canary": 25.0},
    "rollout": "",
    "stage": -1,
    "drill": 0.0,
    "table_version": 4,
    "previous": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "hash": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "canonical": "{}",
}


class DecisionShown(Answer):
    """One decision. `hash`, the SHA-256 of `canonical`, is what the next has as `previous`.

    `rollout`: its rollout's id, empty outside of one; `stage`: from 0, -1 outside of one; `drill`: above 0 in a
    drill, the share of the canary's answers that were taken as harmful.
    """

    number: int
    id: str
    time: datetime
    model: str
    kind: DecisionKind
    decided_by: DecidedBy
    actor: str
    reason: str
    before: dict[str, float]
    after: dict[str, float]
    rollout: str
    stage: int
    drill: float
    table_version: int
    previous: str
    hash: str
    canonical: str


class DecisionPage(Answer):
    """`next`: give it as `after`, with the newest first as `before`, for what follows; null at the end."""

    model_config = example(
        decisions=[_DECISION],
        next=None,
    )

    decisions: list[DecisionShown]
    next: int | None


class Verification(Answer):
    """Whether each decision follows from the one before. `head`: hash of the last one that does, 64 zeros before
    the first; `broken_at`: number of the first that does not, or was changed.
    """

    model_config = example(
        checked=7,
        head=_DECISION["hash"],
        broken_at=None,
        said="all 7 decisions follow from one another",
        time="2026-03-01T12:00:00.000125Z",
    )

    checked: int
    head: str
    broken_at: int | None
    said: str
    time: datetime = Field(description="When they were looked at")


class DecisionBefore(Answer):
    """An earlier decision, in short. `weights`: percent, as it left them."""

    id: str
    kind: DecisionKind
    time: datetime
    reason: str
    weights: dict[str, float]

    @classmethod
    def of(cls, made: DecisionV1) -> Self:
        """As it was made."""
        weights = {arm: percent(share) for arm, share in made.weights.after.items()}
        return cls(id=made.id, kind=made.kind, time=moment(made.time_us), reason=made.reason, weights=weights)


class StoryShown(Answer):
    """What stands around a decision. `began`: its rollout. `held_since`: since when the weights before it were in
    force; `replaced_by`, `replaced_at`: the decision that changed them next; null: none has.

    `preceding`: what was decided in its rollout before it, waits apart; null: nothing was. `first_arm`: of the
    model's now, which takes what the others leave; empty: not known here.

    `status`: of its rollout now, and `can` what an operator may say to it now; empty outside of rollouts, and where
    another rollout of the model came after it. `stages`: percent; `stage_percent`: of the one in force now,
    where `resume` puts the canary. `period`: seconds for which a unit's outcome is gathered; 0: not known any more.
    `undo_until`: null where there is no promotion to undo.
    """

    began: datetime | None
    held_since: datetime | None
    replaced_by: str | None
    replaced_at: datetime | None
    status: str
    can: list[str]
    stages: list[float]
    stage_percent: float
    plan: str
    preceding: DecisionBefore | None
    first_arm: str
    period: float
    undo_until: datetime | None


class DecisionDetail(Answer):
    """One decision with all that it rests on. `rests_on`: versions of arms, plan, constitution, classifiers.

    `exchanges`: whose verdicts crossed the line, where single ones did; `watermark`: how far time was known.
    `labels`: of a step forward, what people's labels said of the classifiers' errors; else empty.
    """

    model_config = example(
        decision=_DECISION,
        rests_on={"stable": "v1", "canary": "v2"},
        evidence=None,
        exchanges=[],
        labels="",
        watermark=None,
        story={
            "began": None,
            "held_since": "2026-03-01T11:00:00Z",
            "replaced_by": None,
            "replaced_at": None,
            "status": "",
            "can": [],
            "stages": [],
            "stage_percent": 0.0,
            "plan": "",
            "preceding": None,
            "first_arm": "stable",
            "period": 0.0,
            "undo_until": None,
        },
    )

    decision: DecisionShown
    rests_on: dict[str, str]
    evidence: EvidenceShown | None
    exchanges: list[str]
    labels: str
    watermark: datetime | None
    story: StoryShown = Field(description="What stands around it")


def decision_shown(number: int, decision: DecisionV1) -> DecisionShown:
    """Weights in percent."""
    return DecisionShown(
        number=number,
        id=decision.id,
        time=moment(decision.time_us),
        model=decision.model,
        kind=decision.kind,
        decided_by=decision.decided_by,
        actor=decision.actor,
        reason=decision.reason,
        before={arm: percent(share) for arm, share in decision.weights.before.items()},
        after={arm: percent(share) for arm, share in decision.weights.after.items()},
        rollout=decision.rollout,
        stage=decision.stage,
        drill=decision.drill,
        table_version=decision.table_version,
        previous=decision.previous,
        hash=decision_hash(decision),
        canonical=canonical(decision).decode(),
    )


def verification_shown(seen: Checked) -> Verification:
    """As it was found."""
    return Verification(
        checked=seen.checked, head=seen.head, broken_at=seen.broken_at, said=seen.said, time=moment(seen.time_us)
    )


def detail_shown(number: int, decision: DecisionV1, story: Story) -> DecisionDetail:
    """The whole of it."""
    return DecisionDetail(
        decision=decision_shown(number, decision),
        rests_on=decision.rests_on,
        evidence=None if decision.evidence is None else EvidenceShown.model_validate(decision.evidence),
        exchanges=list(decision.exchanges),
        labels=decision.labels,
        watermark=moment(decision.watermark_us) if decision.watermark_us else None,
        story=StoryShown(
            began=None if story.began_us is None else moment(story.began_us),
            held_since=None if story.held_since_us is None else moment(story.held_since_us),
            replaced_by=story.replaced_by,
            replaced_at=None if story.replaced_us is None else moment(story.replaced_us),
            status=story.status,
            can=list(story.can),
            stages=list(story.stages),
            stage_percent=story.stage_percent,
            plan=story.plan,
            preceding=None if story.preceding is None else DecisionBefore.of(story.preceding),
            first_arm=story.first_arm,
            period=story.period,
            undo_until=None if story.undo_until_us is None else moment(story.undo_until_us),
        ),
    )
