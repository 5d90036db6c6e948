"""Everything that a rollout remembers but its units: small, and stored whole after every step."""

from typing import Literal

import msgspec

from gateway.rollout.observation import Health, Labels, Silence
from gateway.rollout.wealth import StoredWealth

Status = Literal[
    "running", "frozen", "suspended", "stopped", "holdout", "rolled_back", "promoted", "undone", "finished"
]
ENDED: frozenset[Status] = frozenset({"stopped", "rolled_back", "undone", "finished"})
"""From here a rollout does not go on; a promoted one can still be undone or finished."""
COUNTING: frozenset[Status] = frozenset({"running", "frozen", "holdout"})
"""The canary has traffic, and its evidence grows."""


UNKNOWN = (1 << 62, 0)
"""A table version that no exchange was assigned by."""


class Stage(msgspec.Struct):
    """The stage in force. `index` into the plan's stages, their number for the holdout; `number` counts changes.

    `version`: (epoch, version) of the table that put it in force. `exchanges`, `failed_over`: by arm, stable first.
    `missing`: not evaluated, by arm and guardrail. `closed`: periods that bet, by arm.
    """

    index: int
    number: int
    share: float
    began_us: int
    version: tuple[int, int]
    exchanges: list[int]
    failed_over: list[int]
    missing: list[list[int]]
    closed: list[int]
    dealt_us: int = 0
    """When everyone was last dealt anew in it; 0: never."""


class Book(msgspec.Struct):
    """The evidence at rest; see gateway.rollout.evidence."""

    tests: StoredWealth
    alarm: StoredWealth
    mismatch: StoredWealth
    alarm_at_closing: list[float]
    moments: bytes
    counts: list[int]
    baselines: list[list[float]]
    baselined: int
    overlap: float = 0.0
    """The sum of rho (1 - rho) over closed periods."""
    firsts: list[list[float]] | None = None
    """First violations by guardrail: on stable, on the canary, the sum of rho, in the stages before; the same in
    this one. None: the rollout began before they were counted."""


class RolloutState(msgspec.Struct):
    """One rollout. `shares`: the canary's, under this salt. `units`: first exposures by arm, under this salt.

    `harm`: severity-weighted, in thousandths, by arm; `judged`: exchanges it was read in; `flagged`: those of them
    that had any. `waits_for`: why it waits, a word; `clock_us`: how far canonical time has gone. `look_us`: when
    the rules are looked at next.
    """

    rollout: str
    model: str
    before: str
    after: str
    status: Status
    stage: Stage
    salt: int
    shares: list[float]
    started_us: int
    clock_us: int
    look_us: int
    units: list[int]
    harm: list[int]
    judged: list[int]
    book: Book
    flagged: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    dealt: int = 0
    """Units of the largest deal before this one: those under this salt are few for a while."""
    waits_for: str = ""
    passed_us: int = 0
    """Nothing that is not later than this is counted any more."""
    counted: tuple[int, str] = (0, "")
    """(canonical time, exchange id) of the last verdict that was counted."""
    approved: int = -1
    answered: bool = False
    """An operator resumed after the fast alarm: it does not freeze again, but counts in the mean."""
    overruled: bool = False
    """An operator resumed although the mean says "worse": where the plan only suspends, it says so no more."""
    exchanges: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """All of the rollout, by arm, whether harm was read in them or not."""
    unscored: list[float] = []
    """By guardrail, stable's share of not evaluated exchanges in the week before the start."""
    health: Health | None = None
    silence: Silence | None = None
    labels: Labels | None = None
    drill: float = 0.0
    """Share of the canary's answers that are taken as harmful, in (0, 1]; 0: it is no drill."""
    back: float = 0.0
    """The canary's share when this has ended without promotion: 0, but for a drill, which ends where it began."""
    promoted_us: int = 0


def new_stage(index: int, number: int, share: float, began_us: int, guardrails: int) -> Stage:
    """A stage that has seen nothing yet; no table has put it in force."""
    return Stage(
        index=index,
        number=number,
        share=share,
        began_us=began_us,
        version=UNKNOWN,
        exchanges=[0, 0],
        failed_over=[0, 0],
        missing=[[0] * guardrails, [0] * guardrails],
        closed=[0, 0],
    )


def exchanges_per_unit(state: RolloutState) -> float:
    """At least 1. After everyone was dealt anew few units are known for a while."""
    return max(sum(state.judged) / max(sum(state.units), state.dealt, 1), 1.0)


def encode(state: RolloutState) -> bytes:
    """For the store."""
    return msgspec.msgpack.encode(state)


def decode(data: bytes) -> RolloutState:
    """The reverse."""
    return msgspec.msgpack.decode(data, type=RolloutState)
