"""Which losses are news: counters of what was lost never fall, so somebody has to remember when they grew."""

from collections.abc import Iterator

from gateway.controller.headline import LATELY_US, Lost
from gateway.controller.sqlite_file import SqliteFile
from gateway.ports import Clock
from gateway.telemetry.exposition import Children

_LAST = "SELECT stream, reason, max(time_us), count FROM dropped GROUP BY stream, reason"
_SAW = "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?)"
_ALL = "SELECT stream, reason, time_us, count FROM dropped ORDER BY stream, reason, time_us"
_OLD = """DELETE FROM dropped WHERE time_us < ? AND time_us < (
    SELECT max(time_us) FROM dropped later WHERE (later.stream, later.reason) = (dropped.stream, dropped.reason))"""
_BEGAN = ("", "", 0, 0)
"""The row that says that somebody looked: what is counted at the first look is of the past."""


class LossWatch:
    """Safe to call from any thread. Raises sqlite3.Error."""

    def __init__(self, file: SqliteFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def look(self, dropped: Children) -> None:
        """`dropped`: what tipstaff_events_dropped_total says, by stream and reason."""
        counts = {(stream, why): int(values[0]) for (stream, why), values in dropped.items()}
        known = {(stream, why): count for stream, why, _, count in self._file.query(_LAST)}
        grown = {key: count for key, count in counts.items() if count != known.get(key, 0)}
        if grown or not known:
            now = self._clock.now_us() if known else 0
            with self._file.transaction() as connection:
                connection.executemany(_SAW, [_BEGAN, *((*key, now, count) for key, count in grown.items())])

    def lately(self) -> list[Lost]:
        """Of the last day, by stream and reason, each with the time of its last."""
        since = self._clock.now_us() - LATELY_US
        joined: dict[tuple[str, str], Lost] = {}
        for each in self._growth():
            if each.time_us >= since:
                key = each.stream, each.reason
                count = joined[key].count if key in joined else 0
                joined[key] = Lost(*key, count + each.count, each.time_us)
        return list(joined.values())

    def purge(self, before_us: int) -> int:
        """Forget when something was lost before then, but not how much."""
        with self._file.transaction() as connection:
            return connection.execute(_OLD, (before_us,)).rowcount

    def _growth(self) -> Iterator[Lost]:
        known: dict[tuple[str, str], int] = {}
        for stream, why, time_us, count in self._file.query(_ALL):
            more = count - known.get((stream, why), 0)
            known[stream, why] = count
            if more > 0:
                yield Lost(stream, why, more, time_us)
