"""What is kept of a unit: where its bucket is known to lie, and the period that is open.

A unit counted on stable at share w has a bucket of at least w, one counted on the canary a bucket below w. So what
is known is an interval, and its ends are shares that were in force under this salt: kept as indices into that list.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec


class UnitRow(msgspec.Struct, array_like=True):
    """One unit. `salt`: under which it was seen first; another one empties the rest.

    `low`, `high`: what closed periods say of its bucket, `alarm_low`, `alarm_high`: what counted violations say;
    1 + index into the shares under this salt, 0: nothing. `stage`: number of the stage in which a period opened
    last. `opened_us`: 0 when none is open. `base`: which baselines held when it opened. `exchanges` and, by
    guardrail, `sums` (thousandths) and `missing` (not evaluated) of the period. `alarmed`: bit i, a violation of
    guardrail i was seen in the stage `violated_in`. `own`: its outcomes of the last period on stable, in 1/250,
    empty before.
    """

    salt: int = 0
    low: int = 0
    high: int = 0
    alarm_low: int = 0
    alarm_high: int = 0
    stage: int = 0
    opened_us: int = 0
    canary: bool = False
    base: int = 0
    exchanges: int = 0
    alarmed: int = 0
    violated_in: int = 0
    sums: list[int] = []
    missing: list[int] = []
    own: bytes = b""


class Units(Protocol):
    """Rows of units, and the queue of open periods in the order in which they opened."""

    def get(self, unit: bytes) -> UnitRow | None:
        """The row of a unit that was seen; a caller that changes it puts it back."""

    def put(self, unit: bytes, row: UnitRow) -> None:
        """Keep a row."""

    def push(self, unit: bytes) -> None:
        """Its period opens now."""

    def first(self) -> bytes | None:
        """The unit whose period opened first of those that are open; None: no period is open."""

    def pop(self) -> None:
        """Take the first from the queue."""


class MemoryUnits:
    """Units in memory: for replay and simulation."""

    def __init__(self) -> None:
        self._rows: dict[bytes, UnitRow] = {}
        self._queue: deque[bytes] = deque()

    def get(self, unit: bytes) -> UnitRow | None:
        """See Units."""
        return self._rows.get(unit)

    def put(self, unit: bytes, row: UnitRow) -> None:
        """See Units."""
        self._rows[unit] = row

    def push(self, unit: bytes) -> None:
        """See Units."""
        self._queue.append(unit)

    def first(self) -> bytes | None:
        """See Units."""
        return self._queue[0] if self._queue else None

    def pop(self) -> None:
        """See Units."""
        self._queue.popleft()

    def __len__(self) -> int:
        return len(self._rows)


def propensity(shares: Sequence[float], low: int, high: int, share: float) -> float:
    """Probability in [0, 1] of the canary at `share`, for a bucket that is uniform between what is known of it.

    `shares`: the canary's shares under this salt; `low`, `high`: 1 + index into them, 0: nothing is known.
    """
    floor = shares[low - 1] if low else 0.0
    ceiling = shares[high - 1] if high else 1.0
    if ceiling <= floor:
        return 1.0 if share >= ceiling else 0.0
    return min(max((share - floor) / (ceiling - floor), 0.0), 1.0)
