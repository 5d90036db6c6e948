"""A decision among the others: what came before it, whether it is still in force, what can be said now."""

from collections.abc import Iterator, Sequence

import msgspec

from gateway.controller.kept_rollout import Kept
from gateway.events.schema import DecisionV1
from gateway.ports import StateStore
from gateway.rollout.commands import possible, undo_until_us
from gateway.rollout.state import ENDED, RolloutState

_PAGE = 100
LAST = 2**62
"""Behind the number of every decision."""


class Story(msgspec.Struct, frozen=True):
    """Times in microseconds since the epoch; None: there is none. See the API's StoryShown."""

    began_us: int | None = None
    held_since_us: int | None = None
    replaced_by: str | None = None
    replaced_us: int | None = None
    status: str = ""
    can: tuple[str, ...] = ()
    stages: tuple[float, ...] = ()
    stage_percent: float = 0.0
    plan: str = ""
    preceding: DecisionV1 | None = None
    first_arm: str = ""
    period: float = 0.0
    undo_until_us: int | None = None


def newest_first(store: StateStore) -> Iterator[tuple[int, DecisionV1]]:
    """(number, decision), all of them."""
    before = LAST
    while page := store.newest_decisions(before, _PAGE):
        yield from page
        before = page[-1][0]


def of_rollout(store: StateStore, model: str, rollout: str) -> list[tuple[int, DecisionV1]]:
    """A rollout's own, oldest first; none where there is no such rollout."""
    found = []
    for number, made in newest_first(store):
        if (made.model, made.rollout) == (model, rollout):
            found.append((number, made))
            if made.kind == "start":
                break
    return found[::-1]


def back_to(store: StateStore, identifier: str) -> list[tuple[int, DecisionV1]]:
    """The newest decisions, oldest first, from whatever the story of that one begins with; all of them where there
    is no such decision.
    """
    found: list[tuple[int, DecisionV1]] = []
    target: DecisionV1 | None = None
    held = begun = False
    for number, made in newest_first(store):
        found.append((number, made))
        if target is not None and made.model == target.model:
            held = held or _moved(made)
        target = made if made.id == identifier else target
        if target is not None:
            begun = begun or not target.rollout or (made.rollout, made.kind) == (target.rollout, "start")
            if held and begun:
                break
    return found[::-1]


def story(decision: DecisionV1, of_model: Sequence[DecisionV1], newest: Kept | None, first_arm: str = "") -> Story:
    """`of_model`: decisions on its model, oldest first, as far as `back_to` goes; `newest`: its newest rollout;
    `first_arm`: of the model's now, which takes what the others leave.
    """
    place = next(number for number, made in enumerate(of_model) if made.id == decision.id)
    before = [made for made in of_model[:place] if _moved(made)]
    later = next((made for made in of_model[place + 1 :] if _moved(made)), None)
    own = [made for made in of_model if made.rollout == decision.rollout] if decision.rollout else []
    earlier = [made for made in own[: own.index(decision)] if made.kind != "wait"] if own else []
    kept = newest if newest is not None and newest.state.rollout == decision.rollout else None
    plan = None if kept is None else kept.terms.plan
    stages = () if plan is None else plan.ladder
    return Story(
        began_us=own[0].time_us if own else None,
        held_since_us=before[-1].time_us if before else None,
        replaced_by=None if later is None else later.id,
        replaced_us=None if later is None else later.time_us,
        status="" if kept is None else kept.state.status,
        can=() if kept is None else tuple(can(kept.state)),
        stages=stages,
        stage_percent=0.0 if kept is None else stages[min(kept.state.stage.index, len(stages) - 1)],
        plan="" if plan is None else "compare" if plan.compare else plan.preset,
        preceding=earlier[-1] if earlier else None,
        first_arm=first_arm,
        period=0.0 if plan is None else plan.period,
        undo_until_us=None if kept is None else undo_until_us(kept.state),
    )


def can(state: RolloutState) -> list[str]:
    """What an operator may say to a rollout."""
    if state.status in ENDED:
        return [] if state.drill else ["retry"]
    return [str(action) for action in possible(state)]


def _moved(made: DecisionV1) -> bool:
    return made.weights.before != made.weights.after
