"""What goes in and out about labels, and how our own values become it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.controller.routers.values import Answer, Time, example, moment
from gateway.curation.label_file import MOST, NOTE_LENGTH, Format
from gateway.curation.labels import Label, StratumCounts
from gateway.curation.sampling import ANY, Stratum
from gateway.curation.store import Draw
from gateway.rollout.correction import ArmLabels, true_rate
from gateway.rollout.correction import Stratum as Labelled

Actor = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Principle = Annotated[str, Field(description="A principle's id; any: whichever; harmlessness: of that tier")]
_EXCHANGE = "019cab1f3c6a7f4b8d2e6a90c1b2d3e4"
_DRAW = "5f0c9f1e0b7a4f0d8f6f1d1f6b1c2a3e"


class SampleWanted(BaseModel):
    """Which exchanges, and how many. By default those of the last seven days, whose text is still kept."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"actor": "alice", "size": 200}]})

    actor: Actor = Field(description="Who draws")
    size: int = Field(ge=1, le=5000)
    principle: Principle = ANY
    since: Time | None = Field(default=None, description="RFC 3339, included")
    until: Time | None = Field(default=None, description="RFC 3339, not included; by default now")
    seed: int = Field(default=0, ge=0, lt=2**53, description="Another seed draws another sample")


class StratumShown(Answer):
    """An arm, and whether the classifiers flagged the exchange. `labelled` and `violating` are of the drawn."""

    arm: str
    flagged: bool
    population: int
    drawn: int
    labelled: int
    violating: int
    disputed: int = Field(description="As many people say yes as no: not among the labelled")


class SampleShown(Answer):
    """A sample that is kept under `draw`. `exchanges` do not say what was found in them. They are in random
    order, with each stratum spread evenly over it: who labels only the first ones has labelled a random sample too.
    """

    model_config = example(
        draw=_DRAW,
        model="assistant",
        principle="any",
        since="2026-03-01T12:00:00Z",
        until="2026-03-08T12:00:00Z",
        seed=0,
        strata=[
            {
                "arm": "canary",
                "flagged": True,
                "population": 90,
                "drawn": 50,
                "labelled": 0,
                "violating": 0,
                "disputed": 0,
            }
        ],
        exchanges=[_EXCHANGE],
    )

    draw: str
    model: str
    principle: str
    since: datetime
    until: datetime
    seed: int
    strata: list[StratumShown]
    exchanges: list[str]


class CorrectedShare(Answer):
    """A share of exchanges, and the interval that holds the true one in 95 of 100 cases."""

    value: float
    low: float
    high: float


class ArmCorrected(Answer):
    """One arm's exchanges in the sample's population. `flagged`: the share that the classifiers flag; `corrected`:
    the share that violates, as labels of the sample make of it.
    """

    arm: str
    flagged: float
    corrected: CorrectedShare | None = Field(description="Null: a stratum that has exchanges has no label yet")
    labels: int


class LabelSummary(Answer):
    """What people say of one sample by now: the input of the correction for the classifiers' errors."""

    model_config = example(
        draw=_DRAW,
        model="assistant",
        principle="any",
        since="2026-03-01T12:00:00Z",
        until="2026-03-08T12:00:00Z",
        strata=[
            {
                "arm": "canary",
                "flagged": True,
                "population": 90,
                "drawn": 50,
                "labelled": 48,
                "violating": 41,
                "disputed": 1,
            }
        ],
        arms=[
            {
                "arm": "canary",
                "flagged": 0.02,
                "corrected": {"value": 0.019, "low": 0.015, "high": 0.06},
                "labels": 96,
            }
        ],
    )

    draw: str
    model: str
    principle: str
    since: datetime
    until: datetime
    strata: list[StratumShown]
    arms: list[ArmCorrected]


class QueueShown(Answer):
    """What `actor`, who asks, has to do: `left` of the `size` exchanges of a sample, in its random order. Whoever
    stops before the end has labelled a random sample too.
    """

    model_config = example(
        draw=_DRAW,
        principle="any",
        since="2026-03-01T12:00:00Z",
        until="2026-03-08T12:00:00Z",
        actor="alice",
        size=200,
        labelled=199,
        left=[_EXCHANGE],
    )

    draw: str
    principle: str
    since: datetime
    until: datetime
    actor: str
    size: int
    labelled: int
    left: list[str]


class LabelGiven(BaseModel):
    """One judgement of one answer."""

    model_config = ConfigDict(extra="forbid")

    exchange_id: str = Field(pattern="^[0-9a-f]{32}$")
    violates: bool = Field(strict=True)
    principle: Principle = ANY
    note: str = Field(default="", max_length=NOTE_LENGTH)


class LabelsGiven(BaseModel):
    """Taken whole or not at all. Of one actor the last word on an exchange and a principle holds."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"actor": "alice", "labels": [{"exchange_id": _EXCHANGE, "violates": True}]}]
        },
    )

    actor: Actor = Field(description="Who judged")
    labels: list[LabelGiven] = Field(min_length=1, max_length=MOST)


class FileGiven(BaseModel):
    """A file's text: JSON lines or CSV with exchange_id, violates, and if you like principle and note."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"actor": "alice", "format": "csv", "text": f"exchange_id,violates\n{_EXCHANGE},yes\n"},
            ]
        },
    )

    actor: Actor = Field(description="Who judged")
    format: Format
    text: str


class LabelsTaken(Answer):
    """How many."""

    model_config = example(taken=1)

    taken: int


class LabelShown(Answer):
    """One judgement, as it is kept. `probability`: with which its exchange was drawn; null: somebody chose it."""

    number: int
    exchange_id: str
    principle: str
    violates: bool
    note: str
    actor: str
    time: datetime
    exchange_time: datetime
    arm: str
    flagged: bool
    draw: str | None
    probability: float | None


class LabelPage(Answer):
    """Oldest first, the history too. `next`: give it as `after` for what follows; null at the end."""

    model_config = example(
        labels=[
            {
                "number": 1,
                "exchange_id": _EXCHANGE,
                "principle": "any",
                "violates": True,
                "note": "",
                "actor": "alice",
                "time": "2026-03-08T12:30:00Z",
                "exchange_time": "2026-03-01T12:00:00.000125Z",
                "arm": "canary",
                "flagged": True,
                "draw": _DRAW,
                "probability": 50 / 90,
            }
        ],
        next=None,
    )

    labels: list[LabelShown]
    next: int | None


def sample_shown(draw: Draw, counts: Sequence[StratumCounts], exchanges: list[str]) -> SampleShown:
    """The answer for a sample."""
    return SampleShown(
        draw=draw.id,
        model=draw.frame.model,
        principle=draw.frame.principle,
        since=moment(draw.frame.since_us),
        until=moment(draw.frame.until_us),
        seed=draw.seed,
        strata=_strata(counts),
        exchanges=exchanges,
    )


def summary_shown(draw: Draw, counts: Sequence[StratumCounts]) -> LabelSummary:
    """The answer for what is known of one."""
    return LabelSummary(
        draw=draw.id,
        model=draw.frame.model,
        principle=draw.frame.principle,
        since=moment(draw.frame.since_us),
        until=moment(draw.frame.until_us),
        strata=_strata(counts),
        arms=_arms(counts),
    )


def queue_shown(draw: Draw, actor: str, size: int, left: list[str]) -> QueueShown:
    """The answer for what somebody has to judge yet."""
    return QueueShown(
        draw=draw.id,
        principle=draw.frame.principle,
        since=moment(draw.frame.since_us),
        until=moment(draw.frame.until_us),
        actor=actor,
        size=size,
        labelled=size - len(left),
        left=left,
    )


def _arms(counts: Sequence[StratumCounts]) -> list[ArmCorrected]:
    strata = {of.stratum: Labelled(of.population, of.labelled, of.positive) for of in counts}
    return [_arm(name, strata) for name in sorted({stratum.arm for stratum in strata})]


def _arm(name: str, strata: Mapping[Stratum, Labelled]) -> ArmCorrected:
    none = Labelled(0, 0, 0)
    arm = ArmLabels(*(strata.get(Stratum(name, flagged=flag), none) for flag in (True, False)))
    flags, exchanges = arm.flags
    rate = true_rate(arm)
    return ArmCorrected(
        arm=name,
        flagged=flags / exchanges,
        corrected=None if rate is None else CorrectedShare.model_validate(rate),
        labels=arm.labelled,
    )


def _strata(counts: Sequence[StratumCounts]) -> list[StratumShown]:
    return [
        StratumShown(
            arm=of.stratum.arm,
            flagged=of.stratum.flagged,
            population=of.population,
            drawn=of.drawn,
            labelled=of.labelled,
            violating=of.positive,
            disputed=of.disputed,
        )
        for of in counts
    ]


def label_shown(number: int, label: Label) -> LabelShown:
    """The answer for one label."""
    return LabelShown(
        number=number,
        exchange_id=label.said.exchange_id,
        principle=label.said.principle,
        violates=label.said.violates,
        note=label.said.note,
        actor=label.actor,
        time=moment(label.time_us),
        exchange_time=moment(label.exchange_us),
        arm=label.stratum.arm,
        flagged=label.stratum.flagged,
        draw=label.draw,
        probability=label.probability,
    )
