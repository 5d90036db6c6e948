"""What each arm of a model did, bucket by bucket: minutes of the last two days, hours of all that is kept."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from gateway.controller.tallies import ARMS, HOUR_US, MINUTE_US

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
_MINUTES = """SELECT arm, principle, what, json_group_array(minute), json_group_array(count) FROM minute_tallies
    WHERE model = ?1 AND minute >= ?2 AND minute < ?3 AND principle IN (
        SELECT '' UNION SELECT principle FROM minute_tallies
        WHERE model = ?1 AND minute >= ?2 AND minute < ?3 AND what = 'violations')
    GROUP BY arm, principle, what"""
_HOURS = f"""{ARMS}
    SELECT arm, '', what, json_group_array(hour), json_group_array(count)
    FROM arms CROSS JOIN arm_tallies USING (arm)
    WHERE model = ?1 AND hour >= ?2 AND hour < ?3 GROUP BY arm, what
    UNION ALL SELECT arm, principle, what, json_group_array(hour), json_group_array(count)
    FROM arms CROSS JOIN principle_tallies USING (arm)
    WHERE model = ?1 AND hour >= ?2 AND hour < ?3 AND principle IN (
        SELECT principle FROM arms CROSS JOIN principle_tallies USING (arm)
        WHERE model = ?1 AND hour >= ?2 AND hour < ?3 AND what = 'violations')
    GROUP BY arm, principle, what"""  # noqa: S608 - our own text
_numbers = msgspec.json.Decoder(list[int])


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


def gathered(frame: TimeFrame, rows: Iterable[tuple[str, str, str, str, str]]) -> Series:
    """`rows`: arm, principle (empty: the whole), what, numbers of buckets since the epoch and counts, as JSON."""
    first = frame.since_us // frame.step_us
    found: dict[str, dict[str, Counts]] = defaultdict(dict)
    for arm, principle, what, buckets, counted in rows:
        names = PARTS if principle else WHOLE
        counts = found[arm].setdefault(principle, {name: [0] * frame.buckets for name in names})
        if what in counts:
            for bucket, count in zip(_numbers.decode(buckets), _numbers.decode(counted), strict=True):
                counts[what][bucket - first] = count
    return Series(frame, tuple(_arm(arm, found[arm], frame.buckets) for arm in sorted(found)))


def _arm(arm: str, counts: dict[str, Counts], buckets: int) -> ArmSeries:
    whole = counts.get("", {name: [0] * buckets for name in WHOLE})
    return ArmSeries(arm, whole, {name: counts[name] for name in sorted(counts) if name})
