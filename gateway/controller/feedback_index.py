"""The feedback there is, by exchange and in canonical order. Made anew from the stream `feedback` when it is lost.

An event that is there already is passed over, and positions are saved with the rows: however often feedback is
delivered, or sent with the same id, it counts once.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from gateway.controller.sqlite_file import SqliteFile
from gateway.events.schema import FeedbackV1
from gateway.ports import Clock, Entry, Positions

VERSION = 1
SCHEMA = """
CREATE TABLE feedback (
    id TEXT PRIMARY KEY, exchange_id TEXT NOT NULL, metric TEXT NOT NULL, value REAL NOT NULL,
    time_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_exchange ON feedback (exchange_id, metric, time_us, id);
CREATE INDEX by_metric ON feedback (metric, time_us, id);
CREATE INDEX by_time ON feedback (time_us);
CREATE TABLE positions (producer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID
"""
_INSERT = "INSERT OR IGNORE INTO feedback VALUES (?, ?, ?, ?, ?)"
_EARLIER = """SELECT 1 FROM feedback e WHERE e.exchange_id = f.exchange_id AND e.metric = f.metric
    AND (e.time_us, e.id) < (f.time_us, f.id)"""
_COLUMNS = f"f.id, f.exchange_id, f.metric, f.value, f.time_us, NOT EXISTS ({_EARLIER})"
_PURGE = "DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE time_us < ? ORDER BY time_us LIMIT ?)"
_PURGE_ROWS = 5000


class Feedback(msgspec.Struct, frozen=True):
    """`time_us`: canonical. `first`: nothing was said of this exchange and metric before; only that is evidence."""

    id: str
    exchange_id: str
    metric: str
    value: float
    time_us: int
    first: bool


class Mark(NamedTuple):
    """A place in the canonical order: the feedback with this time and id, included in what is before it."""

    time_us: int
    id: str = ""


class FeedbackIndex:
    """See the module. One process writes; its methods may be called from any thread."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open or make it. What is no database is set aside, and made anew. Raises FormatError, StorageUnusable."""
        return cls(SqliteFile.open_remakeable(path, SCHEMA, VERSION, clock))

    def positions(self) -> dict[str, int]:
        """What has been taken in of each producer."""
        return dict(self._file.query("SELECT producer, position FROM positions"))

    def add(self, entries: Iterable[Entry], positions: Positions) -> int:
        """Take feedback in and move to `positions`, in one transaction; returns how many were new."""
        new = 0
        with self._file.transaction() as connection:
            for entry in entries:
                if isinstance(entry.event, FeedbackV1):  # else a later version's event
                    new += connection.execute(_INSERT, _values(entry.event, entry.time_us)).rowcount
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
        return new

    def of(self, exchange_id: str) -> list[Feedback]:
        """What was said of one exchange, oldest first; at most 1000."""
        sql = f"SELECT {_COLUMNS} FROM feedback f WHERE exchange_id = ? ORDER BY time_us, id LIMIT 1000"  # noqa: S608
        return [_feedback(row) for row in self._file.query(sql, (exchange_id,))]

    def read(self, metrics: Collection[str], after: Mark, until_us: int, limit: int) -> list[Feedback]:
        """At most `limit`, in canonical order, of those metrics, behind `after`, up to and with `until_us`."""
        places = ", ".join("?" * len(metrics))
        sql = f"""SELECT {_COLUMNS} FROM feedback f WHERE metric IN ({places})
            AND (time_us, id) > (?, ?) AND time_us <= ? ORDER BY time_us, id LIMIT ?"""  # noqa: S608 - placeholders
        return [_feedback(row) for row in self._file.query(sql, (*metrics, *after, until_us, limit))]

    def purge(self, before_us: int) -> int:
        """Forget some feedback from before then, a few thousand a call; returns how many it forgot."""
        with self._file.transaction() as connection:
            gone = connection.execute(_PURGE, (before_us, _PURGE_ROWS)).rowcount
        if gone:
            self._file.give_back()
        return gone

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._file.close()


def _values(event: FeedbackV1, time_us: int) -> tuple[object, ...]:
    return (event.id, event.exchange_id, event.metric, event.value, time_us)


def _feedback(row: tuple[str, str, str, float, int, int]) -> Feedback:
    return Feedback(*row[:5], first=bool(row[5]))
