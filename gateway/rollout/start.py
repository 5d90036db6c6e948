"""How a rollout begins: at the first stage of its plan, with no evidence."""

from collections.abc import Sequence

import msgspec

from gateway.rollout.decision import Decision
from gateway.rollout.evidence import Evidence
from gateway.rollout.plan import Plan
from gateway.rollout.state import RolloutState, new_stage


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout starts from. Of stable in the week before, by guardrail: `prior` is its mean outcomes, for the
    baselines, `unscored` its shares of exchanges that were not evaluated; empty: not known. `drill`, `back`: see
    RolloutState.
    """

    rollout: str
    model: str
    before: str
    after: str
    time_us: int
    actor: str
    reason: str
    prior: Sequence[float] = ()
    unscored: Sequence[float] = ()
    drill: float = 0.0
    back: float = 0.0


def begin(plan: Plan, given: Beginning) -> tuple[RolloutState, Decision]:
    """Its state, and the decision that puts it in force: a new salt, so that everyone is dealt anew."""
    share = plan.shares[0]
    state = RolloutState(
        rollout=given.rollout,
        model=given.model,
        before=given.before,
        after=given.after,
        status="running",
        stage=new_stage(0, 1, share, given.time_us, len(plan.guardrails)),
        salt=1,
        shares=[share],
        started_us=given.time_us,
        clock_us=given.time_us,
        look_us=given.time_us + 1,
        units=[0, 0],
        harm=[0, 0],
        judged=[0, 0],
        book=Evidence(plan, given.prior).stored(),
        unscored=list(given.unscored),
        drill=given.drill,
        back=given.back,
    )
    made = Decision(given.time_us, "start", given.reason, share, 0, "running", new_salt=True, actor=given.actor)
    return state, made
