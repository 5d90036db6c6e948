"""A rollout as the controller keeps it: its state, and what it was started with."""

import msgspec

from gateway.controller.outcomes import Pins
from gateway.core.routing import ModelRoute
from gateway.rollout.plan import Plan
from gateway.rollout.state import RolloutState


class Terms(msgspec.Struct, frozen=True):
    """What does not change while it runs. `rests_on`: versions of arms, plan, constitution and classifiers, for
    its decisions. `served`: arm -> what its servers said of themselves at the start. `before`: the weights
    that it found; `route`: all of it, for a drill to put back.
    """

    plan: Plan
    stable: str
    canary: str
    pins: Pins
    rests_on: dict[str, str]
    served: dict[str, str]
    before: dict[str, float]
    route: ModelRoute | None = None


class Kept(msgspec.Struct):
    """One rollout in the store. `opened`: number of the period that opened last; `decided`: decisions so far.

    `left_out`: how many verdicts were no evidence, by the reason in words.
    """

    terms: Terms
    state: RolloutState
    opened: int = 0
    decided: int = 0
    heard: tuple[int, str] = (0, "")
    """(canonical time, id) of the feedback that was counted last."""
    left_out: dict[str, int] = msgspec.field(default_factory=dict)
    last_decisions: dict[str, tuple[str, int]] = msgspec.field(default_factory=dict)
    """Of each kind by whom the last one was made, `tipstaff` or `operator`, and when, in microseconds of the wall
    clock: for people.
    """


def encode(kept: Kept) -> bytes:
    """For the store."""
    return msgspec.msgpack.encode(kept)


def decode(data: bytes) -> Kept:
    """The reverse."""
    return msgspec.msgpack.decode(data, type=Kept)
