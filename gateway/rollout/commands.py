"""What an operator's word does to a rollout: a decision under the operator's name, or a refusal. Pure."""

from collections.abc import Callable

from gateway.rollout.decide import UNDO_US
from gateway.rollout.decision import Decision
from gateway.rollout.observation import Action, Command
from gateway.rollout.plan import Plan
from gateway.rollout.state import COUNTING, ENDED, RolloutState, Status

_ALLOWED: dict[Action, frozenset[Status]] = {
    "suspend": COUNTING,
    "resume": frozenset({"frozen", "suspended"}),
    "freeze": frozenset({"running", "holdout"}),
    "rollback": COUNTING | {"suspended"},
    "promote": COUNTING | {"suspended"},
    "approve": frozenset({"running", "frozen"}),
    "finish": frozenset({"promoted"}),
    "undo": frozenset({"promoted"}),
}


class Refused(Exception):
    """The rollout is not where this word could do anything; the text says where it is and what can be done."""


def possible(state: RolloutState) -> list[Action]:
    """What an operator can say to it now. A drill is not promoted, and an old promotion not undone."""
    never = {"promote"} if state.drill else {"undo"} if _old(state) else set()
    return [action for action, statuses in _ALLOWED.items() if state.status in statuses and action not in never]


def commanded(plan: Plan, state: RolloutState, given: Command) -> Decision:
    """The decision that carries the word out. Raises Refused."""
    if given.action == "undo" and _old(state):
        raise Refused("the promotion is more than 7 days old: start a rollout in the other direction")
    if given.action not in (actions := possible(state)):
        can = ", ".join(actions) or "start a new one, or retry"
        what = "drill" if state.drill else "rollout"
        ended = "has ended" if state.status in ENDED else "is"
        raise Refused(
            f"the {what} {ended} {state.status.replace('_', ' ')}: {given.action} does nothing; can: {can}"
        )
    if given.action == "approve" and not set(plan.approval) - {0.0}:
        raise Refused("no stage of this plan waits for a person")
    return _MADE[given.action](plan, state, given)


def undo_until_us(state: RolloutState) -> int | None:
    """Until when a promotion can be undone, canonical time; None: there is none to undo."""
    return state.promoted_us + UNDO_US if state.status == "promoted" else None


def _old(state: RolloutState) -> bool:
    until = undo_until_us(state)
    return until is not None and state.clock_us > until


def _made(state: RolloutState, given: Command, share: float, status: Status, kind: str = "") -> Decision:
    return Decision(
        time_us=state.clock_us,
        kind=kind or given.action,  # type: ignore[arg-type] # the two words that differ are given as `kind`
        reason=given.reason,
        share=share,
        stage=state.stage.index,
        status=status,
        actor=given.actor,
    )


def _resume(plan: Plan, state: RolloutState, given: Command) -> Decision:
    index = state.stage.index
    holdout = index >= len(plan.stages)
    share = plan.holdout / 100 if holdout else plan.shares[index]
    return _made(state, given, share, "holdout" if holdout else "running")


_MADE: dict[Action, Callable[[Plan, RolloutState, Command], Decision]] = {
    "suspend": lambda _, state, given: _made(state, given, 0.0, "suspended"),
    "resume": _resume,
    "freeze": lambda _, state, given: _made(state, given, state.stage.share, "frozen"),
    "rollback": lambda _, state, given: _made(state, given, state.back, "rolled_back", "roll_back"),
    "promote": lambda _, state, given: _made(state, given, 1.0, "promoted"),
    "approve": lambda _, state, given: _made(state, given, state.stage.share, state.status),
    "finish": lambda _, state, given: _made(state, given, state.stage.share, "finished"),
    "undo": lambda _, state, given: _made(state, given, 0.0, "undone"),
}
