"""What goes in and out about constitutions, and how our own values become it."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from classifiers.constitution import Constitution
from classifiers.difference import Change, Difference
from classifiers.principle import Principle, Tier
from classifiers.verdict import Severity
from gateway.controller.constitutions import Version
from gateway.controller.rereading import MOST, Reread
from gateway.controller.routers.values import Answer, Time, example, moment

Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_HASH, _OTHER = "c0ffee" + "0" * 58, "decade" + "0" * 58
_EXCHANGE = "019cab1f3c6a7f4b8d2e6a90c1b2d3e4"
_TEXT = "version: 1\ntitle: Ours\nprinciples: [...]\n"


class ExamplesCounted(Answer):
    """How many examples a principle has of each kind."""

    violates: int
    complies: int
    provokes: int


class PrincipleShown(Answer):
    """One principle as it is written. `rules`: their names; `heads`: of the encoder."""

    id: str
    title: str
    severity: Severity
    scope: str
    violated_by: str
    action: str
    text: str
    rules: list[str]
    heads: list[str]
    examples: ExamplesCounted


class TierShown(Answer):
    """Principles of one rank."""

    tier: Tier
    principles: list[PrincipleShown]


class ConstitutionShown(Answer):
    """All of it, the highest tier first. `hash` is its version: verdicts carry it."""

    model_config = example(
        title="Default constitution",
        hash=_HASH,
        tiers=[
            {
                "tier": "honesty",
                "principles": [
                    {
                        "id": "honesty",
                        "title": "Does not claim to be human",
                        "severity": "high",
                        "scope": "response",
                        "violated_by": "conduct",
                        "action": "record",
                        "text": "The assistant says what it is when somebody sincerely asks.",
                        "rules": ["honesty.claims_to_be_human"],
                        "heads": [],
                        "examples": {"violates": 2, "complies": 2, "provokes": 0},
                    }
                ],
            }
        ],
    )

    title: str
    hash: str
    tiers: list[TierShown]


class ChangedShown(Answer):
    """How many principles became other ones; `changed`: in their words or their place."""

    added: int
    removed: int
    changed: int


class VersionShown(Answer):
    """One constitution that was in force here."""

    hash: str
    title: str
    principles: int
    since: datetime = Field(description="When a controller first began with it")
    in_force: bool
    changed: ChangedShown | None = Field(
        description="Against the one before; null: it is the first, or that could not be read"
    )


class VersionsShown(Answer):
    """By when each was first in force, the newest first: one that came back stands where it first stood."""

    model_config = example(
        versions=[
            {
                "hash": _HASH,
                "title": "Default constitution",
                "principles": 18,
                "since": "2026-03-01T12:00:00Z",
                "in_force": True,
                "changed": {"added": 1, "removed": 0, "changed": 2},
            }
        ]
    )

    versions: list[VersionShown]


class Compared(BaseModel):
    """Which two: `before` (a hash; by default the one in force), and either `after` (a hash) or `text`, a file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"before": _HASH, "after": _OTHER}]})

    before: Hash | None = None
    after: Hash | None = None
    text: str | None = Field(default=None, description="YAML, as a constitution is written")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.after is None) == (self.text is None):
            raise ValueError("give one of after and text")
        return self


class FieldShown(Answer):
    """One key as it would stand in the file; empty: it would not. `place`: where a principle stands, from 1."""

    field: str
    before: str
    after: str


class PrincipleCompared(Answer):
    """One principle that is another one now; of an added or a removed one, all it says."""

    id: str
    title: str
    change: Change
    fields: list[FieldShown]


class DifferenceShown(Answer):
    """What is to be done to `before` to make it `after`; `others`: what belongs to no principle."""

    model_config = example(
        before=_HASH,
        after=_OTHER,
        principles=[
            {
                "id": "honesty",
                "title": "Does not claim to be human",
                "change": "changed",
                "fields": [{"field": "severity", "before": "high", "after": "medium"}],
            }
        ],
        others=[{"field": "title", "before": "Default constitution", "after": "Ours"}],
        same=False,
    )

    before: str
    after: str
    principles: list[PrincipleCompared]
    others: list[FieldShown]
    same: bool = Field(description="Nothing differs but comments and layout")


class WhatIfWanted(BaseModel):
    """Read the newest `limit` exchanges of a model again, as if this constitution were in force."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"text": _TEXT, "model": "assistant", "limit": 200}]}
    )

    text: str = Field(description="YAML, as a constitution is written")
    model: str
    since: Time | None = Field(default=None, description="RFC 3339, included")
    limit: int = Field(default=500, ge=1, le=MOST)


class ArmReread(Answer):
    """Exchanges of an arm that were read, and those in which any principle is violated."""

    arm: str
    exchanges: int
    violating_before: int
    violating_after: int


class PrincipleReread(Answer):
    """Exchanges that violate a principle, by the constitution in force (`before`) and by the other (`after`)."""

    principle: str
    title: str
    before: int
    after: int
    not_evaluated_before: int = Field(description="Nobody can say whether it is violated")
    not_evaluated_after: int
    newly: list[str] = Field(description="At most 20 ids, the newest first: violated only after")
    no_longer: list[str] = Field(description="At most 20 ids, the newest first: violated only before")


class WhatIfShown(Answer):
    """What two constitutions find in the same kept texts. Those are redacted, and cut where they were long, so that
    `before` can differ from what stands in the verdicts, which were made of the whole text.
    """

    model_config = example(
        before=_HASH,
        after=_OTHER,
        looked_at=188,
        without_text=12,
        seconds=4.2,
        stopped=False,
        arms=[{"arm": "canary", "exchanges": 20, "violating_before": 1, "violating_after": 3}],
        principles=[
            {
                "principle": "honesty",
                "title": "Does not claim to be human",
                "before": 1,
                "after": 3,
                "not_evaluated_before": 0,
                "not_evaluated_after": 0,
                "newly": [_EXCHANGE],
                "no_longer": [],
            }
        ],
    )

    before: str
    after: str
    looked_at: int
    without_text: int = Field(description="More exchanges, whose text is not kept, or not any more")
    seconds: float
    stopped: bool = Field(description="The time was over: these are the newest ones, and there are more")
    arms: list[ArmReread]
    principles: list[PrincipleReread]


def constitution_shown(constitution: Constitution) -> ConstitutionShown:
    """The answer for one."""
    rules: dict[str, list[str]] = {}
    for owner, name, _ in constitution.all_rules:
        rules.setdefault(owner, []).append(name)
    return ConstitutionShown(
        title=constitution.title,
        hash=constitution.hash,
        tiers=[
            TierShown(
                tier=tier,
                principles=[
                    _principle(found, rules.get(found.id, []))
                    for found in constitution.principles
                    if found.tier is tier
                ],
            )
            for tier in Tier
        ],
    )


def _principle(principle: Principle, rules: list[str]) -> PrincipleShown:
    examples = principle.examples
    return PrincipleShown(
        id=principle.id,
        title=principle.title,
        severity=principle.severity,
        scope=principle.scope,
        violated_by=principle.decided_by,
        action=principle.action,
        text=principle.text,
        rules=rules,
        heads=list(principle.heads),
        examples=ExamplesCounted(
            violates=len(examples.violates), complies=len(examples.complies), provokes=len(examples.provokes)
        ),
    )


def version_shown(version: Version, *, in_force: bool) -> VersionShown:
    """The answer for one of the list."""
    return VersionShown(
        hash=version.hash,
        title=version.title,
        principles=version.principles,
        since=moment(version.since_us),
        in_force=in_force,
        changed=None if version.changed is None else ChangedShown.model_validate(version.changed),
    )


def difference_shown(difference: Difference) -> DifferenceShown:
    """The answer for a comparison."""
    return DifferenceShown.model_validate(difference)


def what_if_shown(found: Reread) -> WhatIfShown:
    """The answer for texts that were read again."""
    return WhatIfShown.model_validate(found)
