"""Who decided what, and why: a chain, the oldest first."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.controller.chain import canonical, decision_hash
from gateway.controller.routers.values import Answer, example, moment, percent, problems
from gateway.core.routing import DecidedBy
from gateway.events.schema import DecisionV1
from gateway.ports import StateStore


class DecisionShown(Answer):
    """One change of the routing table. `hash`, the SHA-256 of `canonical`, is what the next has as `previous`."""

    number: int
    id: str
    time: datetime
    model: str
    decided_by: DecidedBy
    actor: str
    reason: str
    before: dict[str, float]
    after: dict[str, float]
    table_version: int
    previous: str
    hash: str
    canonical: str


class DecisionPage(Answer):
    """The oldest first. `next`: give it as `after` for what follows; null at the end."""

    model_config = example(
        decisions=[
            {
                "number": 2,
                "id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
                "time": "2026-03-01T12:00:00.000125Z",
                "model": "assistant",
                "decided_by": "operator",
                "actor": "operator",
                "reason": "no harm seen at 10 %",
                "before": {"stable": 90.0, "canary": 10.0},
                "after": {"stable": 75.0, "canary": 25.0},
                "table_version": 4,
                "previous": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "hash": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                "canonical": "{}",
            }
        ],
        next=None,
    )

    decisions: list[DecisionShown]
    next: int | None


def decisions_router(store: StateStore) -> APIRouter:
    """Read them."""
    router = APIRouter(prefix="/api/v1/decisions", tags=["decisions"])

    @router.get("", summary="List decisions", responses=problems(422))
    def find(
        after: Annotated[int, Query(ge=0, le=2**62, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> DecisionPage:
        """Weights in percent, as shares in `canonical`."""
        found = store.decisions(after, limit + 1)
        shown = found[:limit]
        more = shown[-1][0] if len(found) > limit else None
        return DecisionPage(decisions=[_shown(number, decision) for number, decision in shown], next=more)

    return router


def _shown(number: int, decision: DecisionV1) -> DecisionShown:
    return DecisionShown(
        number=number,
        id=decision.id,
        time=moment(decision.time_us),
        model=decision.model,
        decided_by=decision.decided_by,
        actor=decision.actor,
        reason=decision.reason,
        before={arm: percent(share) for arm, share in decision.weights.before.items()},
        after={arm: percent(share) for arm, share in decision.weights.after.items()},
        table_version=decision.table_version,
        previous=decision.previous,
        hash=decision_hash(decision),
        canonical=canonical(decision).decode(),
    )
