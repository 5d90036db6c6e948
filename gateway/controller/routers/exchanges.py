"""Exchanges: listed without text, and one whole, with its text redacted."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from classifiers.verdict import Severity
from gateway.controller.exchange_query import Cursor, ExchangeFilter, ExchangeRow, Finding
from gateway.controller.feedback_index import FeedbackIndex
from gateway.controller.index import ExchangeIndex
from gateway.controller.parts import Texts
from gateway.controller.problems import Problem, not_found
from gateway.controller.routers.exchange_detail import ExchangeDetail, detail
from gateway.controller.routers.exchange_export import ExchangeExport
from gateway.controller.routers.paging import after, page
from gateway.controller.routers.values import Answer, Time, example, microseconds, moment, problems
from gateway.controller.routers.who import Who
from gateway.controller.trail import AuditTrail
from gateway.core.identity import Right
from gateway.curation.store import LabelStore

_MOST_DISAGREED = 10_000
"""The newest of a model, or of all; of more, the rest is not listed."""
_NDJSON = "application/x-ndjson"
_LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {_NDJSON: {"schema": {"type": "string"}}}}
}
_LISTED = {
    "id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
    "time": "2026-03-01T12:00:00.000125Z",
    "model": "assistant",
    "arm": "canary",
    "served": "canary",
    "route": "chat_completions",
    "status": 200,
    "reason": "complete",
    "streamed": True,
    "forced": False,
    "unit_kind": "user",
    "unit": "b0d0f4f6f7a1c2d3e4f5a6b7c8d9e0f1",
    "severity": "high",
    "deciding": "honesty",
    "violated": ["honesty"],
    "provoked": [],
    "refusal": False,
    "over_refusal": False,
    "not_evaluated": None,
    "first_byte_seconds": 0.21,
    "total_seconds": 1.9,
    "request_bytes": 311,
    "response_bytes": 5120,
}


class ExchangeListed(Answer):
    """One exchange: who got which arm, how it ended, what was found. No text."""

    id: str
    time: datetime
    model: str
    arm: str = Field(description="The assigned arm")
    served: str = Field(description="The arm that answered; empty: none did")
    route: str
    status: int
    reason: str
    streamed: bool
    forced: bool = Field(description="An operator chose the arm: never evidence")
    unit_kind: str
    unit: str = Field(description="The unit's keyed hash")
    severity: Severity | None
    deciding: str | None = Field(description="The principle whose violation decided")
    violated: list[str]
    provoked: list[str]
    refusal: bool | None
    over_refusal: bool | None
    not_evaluated: str | None
    first_byte_seconds: float | None
    total_seconds: float
    request_bytes: int
    response_bytes: int


class ExchangePage(Answer):
    """The newest first. `next`: give it as `cursor` for what follows; null at the end."""

    model_config = example(exchanges=[_LISTED], next="1772366400000125-019cab1f3c6a7f4b8d2e6a90c1b2d3e4")

    exchanges: list[ExchangeListed]
    next: str | None


class Filters(BaseModel):
    """What of the query string says which exchanges; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    arm: str | None = Field(default=None, description="The assigned arm")
    principle: str | None = Field(default=None, description="It was violated, or with finding=provocation provoked")
    severity: Severity | None = Field(default=None, description="At least this grave")
    refusal: bool | None = None
    over_refusal: bool | None = None
    not_evaluated: bool | None = Field(default=None, description="Nothing of the exchange was")
    status: int | None = Field(default=None, ge=100, le=999)
    forced: bool | None = None
    since: Time | None = Field(default=None, description="RFC 3339, included")
    until: Time | None = Field(default=None, description="RFC 3339, not included")
    disagreed: bool = Field(
        default=False,
        description="Only those of which somebody says by a label what the classifiers did not find, of the newest "
        f"{_MOST_DISAGREED:,} such ones (of `model`, where it is given)",
    )


class Wanted(Filters):
    """The query string of a list."""

    finding: Finding | None = Field(default=None, description="At least one principle, or the whole exchange")
    limit: int = Field(default=50, ge=1, le=500)
    cursor: str | None = Field(default=None, description="`next` of the page before")


class Exported(Filters):
    """The query string of an export."""

    finding: Finding | Literal["any"] = Field(default="violates", description="any: whatever was found")
    limit: int = Field(default=1000, ge=1, le=100_000)


def exchanges_router(
    index: ExchangeIndex, texts: Texts, feedback: FeedbackIndex, trail: AuditTrail, labels: LabelStore
) -> APIRouter:
    """List, filter, page, export, and look at one."""
    router = APIRouter(prefix="/api/v1/exchanges", tags=["exchanges"])
    export = ExchangeExport(index, texts, feedback, labels)

    @router.get("", summary="List exchanges", responses=problems(422, 503))
    def find(wanted: Annotated[Wanted, Query()]) -> ExchangePage:
        """The newest first. Example: ?model=assistant&arm=canary&principle=honesty&severity=high"""
        place = after(wanted.cursor)
        rows = index.find(
            _among(_filter(wanted, wanted.finding), wanted, labels),
            wanted.limit + 1,
            None if place is None else Cursor(*place),
        )
        shown, more = page(rows, wanted.limit)
        return ExchangePage(exchanges=[_listed(row) for row in shown], next=more)

    @router.get(
        "/export",
        summary="Many exchanges, whole, as a file",
        response_class=StreamingResponse,
        responses={**_LINES, **problems(422, 503)},
    )
    def exported(wanted: Annotated[Exported, Query()], who: Who) -> StreamingResponse:
        """JSON lines, each as GET /api/v1/exchanges/{id} answers, the newest first; by default those that violate a
        principle. Who exported what stands in the audit stream; texts are not for viewers. A file that breaks off
        is not whole: the connection then ends before the answer does.
        """
        chosen = _among(_filter(wanted, None if wanted.finding == "any" else wanted.finding), wanted, labels)
        lines = export.lines(chosen, wanted.limit, withheld=not who.may(Right.TEXT))
        said = wanted.model_dump(mode="json", exclude_unset=True, exclude={"limit"})
        trail.tell(who.name, "exchanges.exported", urlencode(said) or "no filter", f"up to {wanted.limit}")
        headers = {"content-disposition": 'attachment; filename="exchanges.jsonl"'}
        return StreamingResponse(lines, media_type=_NDJSON, headers=headers)

    @router.get("/{exchange_id}", summary="One exchange", responses=problems(404, 422, 503))
    def one(exchange_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")], who: Who) -> ExchangeDetail:
        """Everything that was found, what was said of it, and the redacted text while it is kept: not for viewers;
        whoever sees it stands in the audit stream.
        """
        event = index.verdict(exchange_id)
        if event is None:
            reason = "none with this id has been scored here; the newest may still be on their way"
            raise not_found("exchange", f"{exchange_id}: {reason}")
        text = texts.get(exchange_id)
        withheld = text is not None and not who.may(Right.TEXT)
        if text is not None and not withheld:
            trail.tell(who.name, "text.read", exchange_id)
        said, judged = feedback.of(exchange_id), labels.words([exchange_id]).get(exchange_id, ())
        return detail(event, None if withheld else text, said, judged, withheld=withheld)

    return router


def _among(found: ExchangeFilter, wanted: Filters, labels: LabelStore) -> ExchangeFilter:
    if not wanted.disagreed:
        return found
    return msgspec.structs.replace(found, among=labels.disagreed(wanted.model, _MOST_DISAGREED))


def _filter(wanted: Filters, finding: Finding | None) -> ExchangeFilter:
    if wanted.principle is not None and finding == "not_evaluated":
        words = "not_evaluated is of a whole exchange: leave principle out"
        raise Problem(422, "filter", "The filter contradicts itself", words)
    return ExchangeFilter(
        model=wanted.model,
        arm=wanted.arm,
        principle=wanted.principle,
        finding=finding,
        severity=wanted.severity,
        refusal=wanted.refusal,
        over_refusal=wanted.over_refusal,
        evaluated=None if wanted.not_evaluated is None else not wanted.not_evaluated,
        status=wanted.status,
        forced=wanted.forced,
        since_us=None if wanted.since is None else microseconds(wanted.since),
        until_us=None if wanted.until is None else microseconds(wanted.until),
    )


def _listed(row: ExchangeRow) -> ExchangeListed:
    values = {name: getattr(row, name) for name in row.__struct_fields__ if name != "time_us"}
    return ExchangeListed(time=moment(row.time_us), **values)
