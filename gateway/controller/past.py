"""What a model's rollouts mean for a start: what was promoted, and what the configuration cannot bring back."""

from collections.abc import Iterable

import msgspec

from gateway.controller import kept_rollout
from gateway.ports import StoredRollout
from gateway.rollout.state import RolloutState


class Past(msgspec.Struct, frozen=True):
    """One model's, drills apart. `arm`, `version`: what was promoted at `promoted_us`, by the newest rollout; 0: it
    was not. `unproven`: versions whose last rollout did not end in promotion.
    """

    arm: str = ""
    version: str = ""
    promoted_us: int = 0
    unproven: frozenset[str] = frozenset()


def pasts(rollouts: Iterable[StoredRollout]) -> dict[str, Past]:
    """By model. `rollouts`: of all models, the oldest first."""
    found: dict[str, Past] = {}
    for each in rollouts:
        kept = kept_rollout.decode(each.state)
        if not kept.state.drill:
            known = found.get(each.model, Past())
            found[each.model] = _after(known, kept.state, kept.terms.canary)
    return found


def _after(known: Past, state: RolloutState, arm: str) -> Past:
    if state.promoted_us and state.status in ("promoted", "finished"):
        return Past(arm, state.after, state.promoted_us, known.unproven - {state.after})
    return Past(unproven=known.unproven | {state.after})
