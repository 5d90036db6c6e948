"""Who decided what, and why: a chain, and whether it holds."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from gateway.controller.chain_check import ChainCheck
from gateway.controller.decision_story import LAST, back_to, story
from gateway.controller.problems import not_found
from gateway.controller.rollouts import Rollouts
from gateway.controller.routers.decision_values import (
    DecisionDetail,
    DecisionPage,
    Verification,
    decision_shown,
    detail_shown,
    verification_shown,
)
from gateway.controller.routers.values import problems
from gateway.controller.state_store import SqlStateStore
from gateway.controller.tables import Tables, refuse_elsewhere
from gateway.ports import Clock


def decisions_router(store: SqlStateStore, rollouts: Rollouts, tables: Tables, clock: Clock) -> APIRouter:
    """Read them."""
    router = APIRouter(prefix="/api/v1/decisions", tags=["decisions"])
    checked = ChainCheck(store, clock)

    @router.get("", summary="List decisions", responses=problems(409, 422))
    def find(
        after: Annotated[int, Query(ge=0, le=2**62, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        order: Annotated[Literal["oldest", "newest"], Query(description="Which one comes first")] = "oldest",
        before: Annotated[int, Query(ge=0, le=2**62, description="The same with order=newest")] = LAST,
    ) -> DecisionPage:
        """Weights in percent, as shares in `canonical`."""
        newest = order == "newest"
        found = store.newest_decisions(before, limit + 1) if newest else store.decisions(after, limit + 1)
        refuse_elsewhere(tables, found=bool(found or after or before != LAST))
        shown = found[:limit]
        more = shown[-1][0] if len(found) > limit else None
        return DecisionPage(decisions=[decision_shown(number, decision) for number, decision in shown], next=more)

    @router.get("/verification", summary="Does the chain hold", responses=problems(409))
    def verification() -> Verification:
        """Every hash made again from what is stored; at most a minute old."""
        seen = checked.seen()
        refuse_elsewhere(tables, found=seen.checked > 0)
        return verification_shown(seen)

    @router.get("/{decision}", summary="One decision, with its evidence", responses=problems(404, 409))
    def read(decision: str) -> DecisionDetail:
        """All that it rests on, what came before it, and whether it is still in force."""
        made = back_to(store, decision)
        found = next(((number, each) for number, each in made if each.id == decision), None)
        refuse_elsewhere(tables, found=found is not None)
        if found is None:
            raise not_found("decision", f"{decision!r}: GET /api/v1/decisions lists them")
        of_model = [each for _, each in made if each.model == found[1].model]
        model = found[1].model
        route = None if tables.elsewhere else tables.current().models.get(model)
        first_arm = route.arms[0].arm if route is not None else ""
        return detail_shown(*found, story(found[1], of_model, rollouts.snapshot(model), first_arm))

    return router
