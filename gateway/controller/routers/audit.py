"""The audit stream: who looked at texts, labelled, exported, loaded a configuration, forced an arm, was refused."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.controller.routers.paging import after, page
from gateway.controller.routers.values import Answer, Time, example, microseconds, moment, problems
from gateway.controller.trail import Action, AuditFilter, AuditTrail
from gateway.events.schema import AuditV1

_ENTRY = {
    "id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
    "time": "2026-03-01T12:00:00.000125Z",
    "actor": "ada",
    "action": "text.read",
    "subject": "019cab1f3c6a7f4b8d2e6a90c1b2d3e5",
    "outcome": "done",
}


class AuditEntry(Answer):
    """Who did what, to what, and how it ended."""

    id: str
    time: datetime
    actor: str = Field(description="Empty: nobody said who it was")
    action: str
    subject: str
    outcome: str


class AuditPage(Answer):
    """The newest first. `next`: give it as `cursor` for what follows; null at the end."""

    model_config = example(entries=[_ENTRY], next="1772366400000125-019cab1f3c6a7f4b8d2e6a90c1b2d3e4")

    entries: list[AuditEntry]
    next: str | None


class AuditWanted(BaseModel):
    """The query string; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid")

    actor: str = ""
    action: Action | None = None
    since: Time | None = Field(default=None, description="RFC 3339, included")
    until: Time | None = Field(default=None, description="RFC 3339, not included")
    limit: int = Field(default=50, ge=1, le=500)
    cursor: str | None = Field(default=None, description="`next` of the page before")


def audit_router(trail: AuditTrail) -> APIRouter:
    """For auditors and operators."""
    router = APIRouter(prefix="/api/v1", tags=["audit"])

    @router.get("/audit", summary="The audit stream", responses=problems(422, 503))
    def find(wanted: Annotated[AuditWanted, Query()]) -> AuditPage:
        """The newest first; decisions have a stream of their own."""
        found = trail.find(_filter(wanted), wanted.limit + 1, after(wanted.cursor))
        shown, more = page(found, wanted.limit)
        return AuditPage(entries=[_shown(event) for event in shown], next=more)

    return router


def _filter(wanted: AuditWanted) -> AuditFilter:
    return AuditFilter(
        wanted.actor,
        wanted.action or "",
        0 if wanted.since is None else microseconds(wanted.since),
        2**62 if wanted.until is None else microseconds(wanted.until),
    )


def _shown(event: AuditV1) -> AuditEntry:
    return AuditEntry(
        id=event.id,
        time=moment(event.time_us),
        actor=event.actor,
        action=event.action,
        subject=event.subject,
        outcome=event.outcome,
    )
