"""What a decision says it rests on: one row for each guardrail. A value; the statistics are in gateway.rollout."""

from typing import Literal

import msgspec

DecisionKind = Literal[
    "weights",
    "start",
    "wait",
    "advance",
    "freeze",
    "suspend",
    "resume",
    "stop",
    "roll_back",
    "promote",
    "finish",
    "undo",
    "redeal",
    "repin",
    "approve",
    "dead_producer",
]
"""What a decision does. `weights`: an operator or the configuration set them outside of any rollout."""


class Rates(msgspec.Struct, frozen=True):
    """One arm's outcomes of closed periods: how many, their mean in [0, 1], and a 95 % confidence sequence."""

    periods: int
    mean: float
    low: float
    high: float


class FirstViolations(msgspec.Struct, frozen=True):
    """How many first violations (of a unit, in a stage, under one deal) the fast alarm counted, by arm. `due`: how
    many of all of them would be the canary's if it violated as often as stable.
    """

    stable: int
    canary: int
    due: float


class EvidenceRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One guardrail. E-values as log10; each `needs` is what they are compared with.

    `worse`, `alarm`: for "the canary is worse"; `no_worse`: for "not worse by the margin". `low`, `high`: 95 %
    confidence sequence of the difference canary minus stable. `not_evaluated`: share of exchanges, by arm.
    `firsts`: what `alarm` was made from, in the stages before and in this one; left out in decisions, and rollouts,
    from before it was counted, so that their hashes hold.
    """

    guardrail: str
    weight: float
    promotes: bool
    stable: Rates
    canary: Rates
    low: float
    high: float
    worse: float
    alarm: float
    no_worse: float
    no_worse_needs: float
    not_evaluated: tuple[float, float]
    firsts: tuple[FirstViolations, FirstViolations] | None = None


class Evidence(msgspec.Struct, frozen=True):
    """Everything that a decision was made from. `mean`: log10 of the weighted mean of e-values, against `needs`."""

    rows: tuple[EvidenceRow, ...]
    mean: float
    needs: float
    alarm: float
    alarm_needs: float
    mismatch: float
    mismatch_needs: float
    units: tuple[int, int]
    """First exposures under this salt, stable and canary."""
    budget_spent: float
    budget: float
