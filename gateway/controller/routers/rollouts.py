"""Rollouts: look at a plan, start one, see where it stands, say a word to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter

from gateway.controller import kept_rollout
from gateway.controller.decision_story import of_rollout
from gateway.controller.orders import Wanted
from gateway.controller.parts import ControllerParts
from gateway.controller.problems import Problem
from gateway.controller.rollout_view import ended_shown, plan_shown, rollout_shown
from gateway.controller.rollouts import UnknownRollout
from gateway.controller.routers.decision_values import DecisionPage, decision_shown
from gateway.controller.routers.rollout_values import (
    PlanForeseen,
    PlanWanted,
    RolloutHistory,
    RolloutShown,
    RolloutWanted,
    Word,
    WordGiven,
)
from gateway.controller.routers.values import problems, refusals
from gateway.controller.routers.who import Who
from gateway.controller.tables import refuse_elsewhere
from gateway.rollout.outlook import outlook
from gateway.rollout.plan import PlanError


def rollouts_router(parts: ControllerParts) -> APIRouter:
    """Of one model each; names like org/model are written as they are."""
    router = APIRouter(prefix="/api/v1/models", tags=["rollouts"])
    _add_reads(router, parts)
    _add_plan_and_start(router, parts)
    _add_words(router, parts)
    return router


def _shown(parts: ControllerParts, model: str) -> RolloutShown:
    """A model's newest rollout."""
    kept = parts.rollouts.snapshot(model)
    refuse_elsewhere(parts.tables, found=kept is not None)
    if kept is None:
        raise UnknownRollout(f"{model} has had no rollout: tipstaff rollout start {model} --to ARM")
    labels = parts.corrections.of(kept)
    return rollout_shown(kept, parts.orders.known(model), parts.models.get(model), labels)


def _add_reads(router: APIRouter, parts: ControllerParts) -> None:
    orders, store = parts.orders, parts.store

    @router.get("/{model:path}/rollout", summary="Where a rollout stands", responses=problems(404, 409, 503))
    def read(model: str) -> RolloutShown:
        """The model's newest rollout, also one that ended; times are as far as exchanges were scored."""
        orders.model(model)
        return _shown(parts, model)

    @router.get("/{model:path}/rollout/history", summary="All rollouts of a model", responses=problems(404, 409))
    def history(model: str) -> RolloutHistory:
        """Newest first, with how each ended."""
        orders.model(model)
        kept = [kept_rollout.decode(found.state) for found in store.rollouts() if found.model == model]
        refuse_elsewhere(parts.tables, found=bool(kept))
        return RolloutHistory(model=model, rollouts=[ended_shown(each) for each in reversed(kept)])

    @router.get(
        "/{model:path}/rollout/{rollout}/decisions", summary="A rollout's decisions", responses=problems(404, 409)
    )
    def decisions(model: str, rollout: str) -> DecisionPage:
        """All of them, oldest first."""
        orders.model(model)
        found = of_rollout(store, model, rollout)
        refuse_elsewhere(parts.tables, found=bool(found))
        if not found:
            raise UnknownRollout(f"{rollout!r} of {model}: tipstaff rollout history {model} lists them")
        return DecisionPage(decisions=[decision_shown(number, made) for number, made in found], next=None)


def _add_plan_and_start(router: APIRouter, parts: ControllerParts) -> None:
    orders = parts.orders

    @router.post("/{model:path}/rollout/plan", summary="What a plan would take", responses=refusals(404, 409, 503))
    def plan(model: str, wanted: PlanWanted) -> PlanForeseen:
        """Nothing is started. For a canary that is as good as stable, at the traffic of the last week."""
        orders.model(model)
        refuse_elsewhere(parts.tables)
        with _told():
            checked = orders.plan(wanted.plan)
        known = orders.known(model)
        return plan_shown(model, checked, outlook(checked, known.traffic, known.rates))

    @router.post("/{model:path}/rollout", summary="Start a rollout", responses=refusals(404, 409, 503))
    def start(model: str, wanted: RolloutWanted, who: Who) -> RolloutShown:
        """Gives the canary its first stage, under a new salt. 409 with what is in the way."""
        order = Wanted(
            model=model,
            to=wanted.to,
            start=wanted.start,
            plan=wanted.plan,
            actor=who.name,
            reason=wanted.reason,
            drill=wanted.drill or 0.0,
        )
        with _told():
            orders.start(order)
        return _shown(parts, model)


def _add_words(router: APIRouter, parts: ControllerParts) -> None:
    @router.post(
        "/{model:path}/rollout/{word}", summary="Say a word to a rollout", responses=refusals(404, 409, 503)
    )
    def say(model: str, word: Word, given: WordGiven, who: Who) -> RolloutShown:
        """A decision under the operator's name, in force when the answer comes. 409 where it can do nothing."""
        parts.orders.model(model)
        if word == "retry":
            with _told():
                parts.orders.retry(model, who.name, given.reason)
        else:
            parts.rollouts.command(model, word, who.name, given.reason)
        return _shown(parts, model)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PlanError as error:
        raise Problem(422, "plan", "This plan cannot be used", str(error)) from error
