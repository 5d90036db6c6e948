"""What each arm of a model did, bucket by bucket: minutes of the last two days, hours of all that is kept."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from gateway.controller.tallies import HOUR_US, MINUTE_US

WHOLE = (
    "exchanges",
    "evaluated",
    "not_evaluated",
    "violating",
    "refusals",
    "refusal_evaluated",
    "over_refusals",
    "over_refusal_evaluated",
    "upstream_errors",
)
"""What is counted of whole exchanges."""
PARTS = ("evaluated", "violations")
"""What is counted of each principle."""
_MINUTES = """SELECT minute, arm, principle, what, count FROM minute_tallies
    WHERE model = ?1 AND minute >= ?2 AND minute < ?3 AND principle IN (
        SELECT '' UNION SELECT principle FROM minute_tallies
        WHERE model = ?1 AND minute >= ?2 AND minute < ?3 AND what = 'violations')"""
_HOURS = """SELECT hour, arm, '', what, count FROM arm_tallies INDEXED BY arm_tallies_by_hour
    WHERE model = ?1 AND hour >= ?2 AND hour < ?3
    UNION ALL SELECT hour, arm, principle, what, count FROM principle_tallies INDEXED BY principle_tallies_by_hour
    WHERE model = ?1 AND hour >= ?2 AND hour < ?3 AND what IN ('evaluated', 'violations') AND principle IN (
        SELECT principle FROM principle_tallies INDEXED BY principle_tallies_by_hour
        WHERE model = ?1 AND hour >= ?2 AND hour < ?3 AND what = 'violations')"""


class TimeFrame(msgspec.Struct, frozen=True):
    """So many buckets of `step_us`, a minute or an hour; the first starts at `since_us`, a multiple of it."""

    since_us: int
    step_us: int
    buckets: int

    @classmethod
    def until(cls, now_us: int, step_us: int, buckets: int) -> "TimeFrame":
        """The last bucket is the one under way."""
        return cls((now_us // step_us - buckets + 1) * step_us, step_us, buckets)


Counts = dict[str, list[int]]
"""What is counted -> its number in each bucket."""


class ArmSeries(msgspec.Struct, frozen=True):
    """One arm, by assignment. `whole`: see WHOLE; `principles`: see PARTS, of those that some arm violated."""

    arm: str
    whole: Counts
    principles: dict[str, Counts]


class Series(msgspec.Struct, frozen=True):
    """Every arm that did something, by name."""

    frame: TimeFrame
    arms: tuple[ArmSeries, ...]


def read_series(connection: sqlite3.Connection, model: str, frame: TimeFrame) -> Series:
    """Where nothing was counted, a bucket has 0."""
    if frame.step_us not in (MINUTE_US, HOUR_US):
        raise ValueError(f"counts are kept by the minute and by the hour, not by {frame.step_us} us")
    first = frame.since_us // frame.step_us
    query = _MINUTES if frame.step_us == MINUTE_US else _HOURS
    return gathered(frame, connection.execute(query, (model, first, first + frame.buckets)))


def gathered(frame: TimeFrame, rows: Iterable[tuple[int, str, str, str, int]]) -> Series:
    """`rows`: number of the bucket since the epoch, arm, principle ('': the whole), what, count."""
    first = frame.since_us // frame.step_us
    found: dict[str, dict[str, Counts]] = defaultdict(dict)
    for bucket, arm, principle, what, count in rows:
        names = PARTS if principle else WHOLE
        counts = found[arm].setdefault(principle, {name: [0] * frame.buckets for name in names})
        if what in counts:
            counts[what][bucket - first] = count
    return Series(frame, tuple(_arm(arm, found[arm], frame.buckets) for arm in sorted(found)))


def _arm(arm: str, counts: dict[str, Counts], buckets: int) -> ArmSeries:
    whole = counts.get("", {name: [0] * buckets for name in WHOLE})
    return ArmSeries(arm, whole, {name: counts[name] for name in sorted(counts) if name})
