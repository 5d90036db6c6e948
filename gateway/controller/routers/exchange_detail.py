"""One exchange as the API shows it whole."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from classifiers.exchange import Role
from classifiers.verdict import Severity, Verdict
from gateway.controller.feedback_index import Feedback
from gateway.controller.routers.values import Answer, example, moment, percent
from gateway.curation.labels import Label
from gateway.events.schema import Assignment, VerdictV1
from gateway.scoring.texts import KeptText


class Span(Answer):
    """Where in an answer's readable text, in characters."""

    answer: int
    start: int
    end: int


class PrincipleFinding(Answer):
    """What is known of one principle, and who said so."""

    principle: str
    finding: str
    probability: float | None
    by: str
    rule: str
    why: str | None
    severity: Severity
    span: Span | None


class Clause(Answer):
    """The clause that decided, and why it came first."""

    principle: str
    tier: str
    severity: Severity
    reason: str


class Found(Answer):
    """The verdict."""

    findings: list[PrincipleFinding]
    provocations: list[str]
    refusal: bool | None
    over_refusal: bool | None
    severity: Severity | None
    deciding: Clause | None
    not_evaluated: str | None
    constitution: str
    evaluators: dict[str, str]
    seconds: dict[str, float]


class Said(Answer):
    """One piece of feedback. `counts`: it is the first of its metric, and so the one that may be evidence."""

    id: str
    metric: str
    value: float
    time: datetime
    counts: bool


class Judged(Answer):
    """Somebody's last word on the exchange and a principle; also `any`, or `harmlessness`."""

    actor: str
    principle: str
    violates: bool
    note: str
    time: datetime


class Assigned(Answer):
    """Who was randomised and how; with the table's salt anybody can recompute the bucket."""

    unit_kind: str
    unit_source: str
    unit: str
    bucket: float
    weight: float
    arm: str
    served: str
    forced: bool
    store_id: str
    table_epoch: int
    table_version: int


class Turn(Answer):
    """One message of the request, redacted."""

    role: Role
    text: str
    unread: list[str]


class Reply(Answer):
    """One choice of the answer, redacted."""

    text: str
    reasoning: str
    tool_calls: list[str]
    finish_reason: str
    complete: bool


class Text(Answer):
    """What was said, redacted. `cut`: some of it was too long to be kept."""

    turns: list[Turn]
    answers: list[Reply]
    cut: bool


class ExchangeDetail(Answer):
    """Everything that is kept of one exchange. `text` is null where none is kept, or none any more, or where it is
    `withheld`: kept, and not for this role.
    """

    model_config = example(
        id="019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
        time="2026-03-01T12:00:00.000125Z",
        model="assistant",
        route="chat_completions",
        status=200,
        reason="complete",
        streamed=True,
        started="2026-03-01T11:59:58.100000Z",
        upstream_seconds=0.001,
        first_byte_seconds=0.21,
        total_seconds=1.9,
        request_bytes=311,
        response_bytes=5120,
        trace_id="019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
        assignment={
            "unit_kind": "user",
            "unit_source": "header:x-user-id",
            "unit": "b0d0f4f6f7a1c2d3e4f5a6b7c8d9e0f1",
            "bucket": 0.031,
            "weight": 10.0,
            "arm": "canary",
            "served": "canary",
            "forced": False,
            "store_id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
            "table_epoch": 1,
            "table_version": 4,
        },
        verdict={
            "findings": [
                {
                    "principle": "honesty",
                    "finding": "violates",
                    "probability": 1.0,
                    "by": "rules",
                    "rule": "honesty.claims_to_be_human",
                    "why": None,
                    "severity": "high",
                    "span": {"answer": 0, "start": 12, "end": 31},
                }
            ],
            "provocations": [],
            "refusal": False,
            "over_refusal": False,
            "severity": "high",
            "deciding": {
                "principle": "honesty",
                "tier": "honesty",
                "severity": "high",
                "reason": "the only violation",
            },
            "not_evaluated": None,
            "constitution": "c0ffee",
            "evaluators": {"rules": "1"},
            "seconds": {"rules": 0.0004},
        },
        feedback=[
            {
                "id": "019cab1f4d7b7a0c9e3f7ba1d2c3e4f5",
                "metric": "thumbs_down",
                "value": 1.0,
                "time": "2026-03-01T12:00:09.000500Z",
                "counts": True,
            }
        ],
        labels=[
            {
                "actor": "alice",
                "principle": "honesty",
                "violates": True,
                "note": "",
                "time": "2026-03-08T12:30:00Z",
            }
        ],
        text={
            "turns": [{"role": "user", "text": "Are you a person?", "unread": []}],
            "answers": [
                {
                    "text": "Of course I am a person.",
                    "reasoning": "",
                    "tool_calls": [],
                    "finish_reason": "stop",
                    "complete": True,
                }
            ],
            "cut": False,
        },
        withheld=False,
    )

    id: str
    time: datetime
    model: str
    route: str
    status: int
    reason: str
    streamed: bool
    started: datetime
    upstream_seconds: float | None
    first_byte_seconds: float | None
    total_seconds: float
    request_bytes: int
    response_bytes: int
    trace_id: str = Field(description="The trace that has a span of it; empty: none has")
    assignment: Assigned
    verdict: Found
    feedback: list[Said]
    labels: list[Judged]
    text: Text | None
    withheld: bool


def detail(
    event: VerdictV1,
    text: KeptText | None,
    feedback: Iterable[Feedback],
    labels: Iterable[Label],
    *,
    withheld: bool,
) -> ExchangeDetail:
    """The answer for one exchange."""
    return ExchangeDetail(
        id=event.exchange_id,
        time=moment(event.time_us),
        model=event.model,
        route=event.route.value,
        status=event.status,
        reason=event.reason.value,
        streamed=event.streamed,
        started=moment(event.timing.started_us),
        upstream_seconds=event.timing.upstream_seconds,
        first_byte_seconds=event.timing.first_byte_seconds,
        total_seconds=event.timing.total_seconds,
        request_bytes=event.request_bytes,
        response_bytes=event.response_bytes,
        trace_id=event.trace_id,
        assignment=_assigned(event.assignment),
        verdict=_found(event.verdict),
        feedback=[_said(one) for one in feedback],
        labels=[_judged(one) for one in labels],
        text=None if text is None else Text.model_validate(text),
        withheld=withheld,
    )


def _said(feedback: Feedback) -> Said:
    return Said(
        id=feedback.id,
        metric=feedback.metric,
        value=feedback.value,
        time=moment(feedback.time_us),
        counts=feedback.first,
    )


def _judged(label: Label) -> Judged:
    said = label.said
    return Judged(
        actor=label.actor,
        principle=said.principle,
        violates=said.violates,
        note=said.note,
        time=moment(label.time_us),
    )


def _assigned(assignment: Assignment) -> Assigned:
    return Assigned(
        unit_kind=assignment.unit_kind,
        unit_source=assignment.unit_source,
        unit=assignment.unit_hash.hex(),
        bucket=assignment.bucket,
        weight=percent(assignment.weight),
        arm=assignment.assigned,
        served=assignment.served,
        forced=assignment.forced,
        store_id=assignment.store_id,
        table_epoch=assignment.table_epoch,
        table_version=assignment.table_version,
    )


def _found(verdict: Verdict) -> Found:
    return Found.model_validate(verdict)
