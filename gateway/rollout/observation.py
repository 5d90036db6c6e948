"""What the evidence reads: verdicts as numbers, and everything else that may decide, in canonical order."""

from typing import Literal

import msgspec

SCALE = 1000
"""Outcomes are whole thousandths, so that sums of them are exact in any order."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One verdict. `time_us`: canonical. `unit`: 16 bytes; `returns`: False where the unit is the request itself.

    `canary`: the arm it was assigned. `version`: (epoch, version) of the table that assigned it.
    `outcomes`: one per guardrail of the plan, thousandths in 0..1000, higher is worse; None: not evaluated.
    `harm`: severity-weighted harm in thousandths, for the budget; None: not evaluated.
    `counts`: False for what is shown but is no evidence (a forced arm, another constitution than the pinned one).
    """

    time_us: int
    exchange_id: str
    unit: bytes
    returns: bool
    canary: bool
    version: tuple[int, int]
    outcomes: tuple[int | None, ...]
    harm: int | None
    failed_over: bool = False
    counts: bool = True


Action = Literal["start", "suspend", "resume", "freeze", "rollback", "promote", "finish", "undo", "approve"]


class Command(msgspec.Struct, frozen=True, tag="command"):
    """An operator's word on a running rollout."""

    time_us: int
    action: Action
    actor: str
    reason: str


class Health(msgspec.Struct, frozen=True, tag="health"):
    """Share of each arm's endpoints that are healthy, in [0, 1], and what else forbids a change, in words."""

    time_us: int
    stable: float
    canary: float
    changed: str = ""
    """An arm's server now says that it is another version; empty: none."""


class Silence(msgspec.Struct, frozen=True, tag="silence"):
    """`blind`: seconds for which nothing was known of the canary's answers when this was written; 0: it ended."""

    time_us: int
    blind: float


class Labels(msgspec.Struct, frozen=True, tag="labels"):
    """What people's labels say by now. `veto`: why promotion must wait; empty: nothing speaks against it.

    `count`: labels there are, in all; `said`: one sentence for the decision.
    """

    time_us: int
    count: int
    veto: str
    said: str


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What somebody said of an exchange, for the guardrail at `place`: thousandths in 0..1000, higher is worse."""

    exchange_id: str
    unit: bytes
    canary: bool
    place: int
    value: int


class Reports(msgspec.Struct, frozen=True, tag="reports"):
    """Feedback, in the order in which it is counted. It moves what units are open now; where a unit is the request
    itself its period is over before anybody can speak, and what is said then counts nothing.
    """

    time_us: int
    reports: tuple[Report, ...]


Input = Command | Health | Silence | Labels | Reports
"""Everything but verdicts that may decide; logged, so that a replay sees the same."""
