"""The index of exchanges: one row per verdict, to be listed, filtered, paged and counted. Holds no text.

It is made from the stream `verdicts`, and made anew from it when it is lost, as far back as that reaches.
Positions are saved with the rows, and an exchange that is there already is passed over: however often a
verdict is delivered, it counts once.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from gateway.controller.exchange_query import Cursor, ExchangeFilter, ExchangeRow, row_of, select
from gateway.controller.index_schema import (
    INSERT_EXCHANGE,
    INSERT_PRINCIPLE,
    MIGRATIONS,
    SCHEMA,
    VERSION,
    exchange_values,
    kept_verdict,
    principle_values,
    stored_verdict,
)
from gateway.controller.over_time import Series, TimeFrame, read_series
from gateway.controller.rates import Rates, read_rates
from gateway.controller.sqlite_file import SqliteFile
from gateway.controller.strata import draw, population
from gateway.controller.tallies import ARMS, HOUR_US, MINUTE_US, MINUTES_US, Tallies
from gateway.curation.sampling import Drawn, Frame, Stratum
from gateway.events.schema import VerdictV1
from gateway.ports import Clock, Entry, Positions

_PURGE_ROWS = 5000
_RECENT = 10_000
"""Exchanges among which something evaluated is looked for: where nothing is, not all of them are read."""
_PIECE = 5000
_IN_ORDER = """SELECT verdict FROM exchanges INDEXED BY by_model
    WHERE model = ? AND (time_us, id) > (?, ?) AND time_us <= ? ORDER BY time_us, id LIMIT ?"""
_FIRST_HOUR = "SELECT min(hour) FROM arm_tallies WHERE model = ? AND hour >= ?"
_EVALUATED = """SELECT verdict FROM exchanges WHERE rowid = (SELECT rowid FROM (
    SELECT rowid, not_evaluated FROM exchanges INDEXED BY by_time ORDER BY time_us DESC, id DESC LIMIT ?
    ) WHERE not_evaluated IS NULL LIMIT 1)"""
_NEWEST = "SELECT max(rowid) FROM exchanges"
_COUNTS = f"""{ARMS} SELECT what, sum(count) FROM arms CROSS JOIN arm_tallies USING (arm)
    WHERE model = ?1 AND hour >= ?2 GROUP BY what"""  # noqa: S608 - our own text
_LATELY = """SELECT what, sum(count) FROM minute_tallies WHERE model = ? AND minute >= ? AND principle = ''
    GROUP BY what"""
_OLDEST = "SELECT id FROM exchanges INDEXED BY by_time WHERE time_us < ? ORDER BY time_us LIMIT ?"

_LAST_ROW = "SELECT max(rowid), count(*) FROM (SELECT rowid FROM exchanges WHERE rowid > ? ORDER BY rowid LIMIT ?)"
_VERDICT = "SELECT verdict FROM exchanges WHERE id = ?"
_OLD_MINUTES = "DELETE FROM minute_tallies WHERE minute < ?"
_RENAME = "UPDATE exchanges SET unit = ?, verdict = ? WHERE id = ?"
_COUNT_AS = "UPDATE OR IGNORE units SET unit = ? WHERE model = ? AND arm = ? AND unit = ?"
"""A unit that goes on under its old name is counted again with its next exchange."""


class Placed(NamedTuple):
    """An exchange, and its place in the canonical order of its model."""

    exchange_id: str
    model: str
    time_us: int


class ExchangeIndex:
    """See the module. One process writes; its methods may be called from any thread."""

    def __init__(self, file: SqliteFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._query = file.query

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open or make it. What is no database is set aside, and made anew.

        Raises FormatError, StorageUnusable.
        """
        return cls(SqliteFile.open_remakeable(path, SCHEMA, VERSION, clock, MIGRATIONS), clock)

    def positions(self) -> dict[str, int]:
        """What has been taken in of each producer."""
        return dict(self._query("SELECT producer, position FROM positions"))

    def add(self, entries: Iterable[Entry], positions: Positions) -> int:
        """Take verdicts in and move to `positions`, in one transaction; returns how many were new.

        Raises sqlite3.Error, having changed nothing.
        """
        with self._file.transaction() as connection:
            new = _insert(connection, (entry.event for entry in entries), Tallies(self._minutes_from_us))
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
        return new

    def find(self, wanted: ExchangeFilter, limit: int, after: Cursor | None = None) -> list[ExchangeRow]:
        """At most `limit` exchanges, the newest first, that follow `after`. Raises QueryTooSlow."""
        return [row_of(row) for row in self._query(*select(wanted, limit, after))]

    def verdict(self, exchange_id: str) -> VerdictV1 | None:
        """The whole verdict of one exchange; None when there is none here."""
        found = self._query("SELECT verdict FROM exchanges WHERE id = ?", (exchange_id,))
        return stored_verdict(found[0][0]) if found else None

    def evaluators(self) -> dict[str, str]:
        """Name -> version of what made the newest verdict that anything was evaluated in; empty: no recent one."""
        found = self._query(_EVALUATED, (_RECENT,))
        return stored_verdict(found[0][0]).verdict.evaluators if found else {}

    def verdicts(self, exchange_ids: Sequence[str]) -> dict[str, VerdictV1]:
        """The whole verdicts of those that are here, by exchange id; at most 1000 a call."""
        places = ", ".join("?" * len(exchange_ids))
        sql = f"SELECT id, verdict FROM exchanges WHERE id IN ({places})"  # noqa: S608 - placeholders
        return {found: stored_verdict(blob) for found, blob in self._query(sql, tuple(exchange_ids))}

    def in_order(self, model: str, after: tuple[int, str], until_us: int, limit: int) -> list[VerdictV1]:
        """At most `limit` verdicts of a model in canonical order (time, id): after `after`, to `until_us`.

        Where `until_us` is behind the watermark of verdicts, nothing is missing between them. Raises QueryTooSlow.
        """
        rows = self._file.query(_IN_ORDER, (model, *after, until_us, limit))
        return [stored_verdict(blob) for (blob,) in rows]

    def rates(self, model: str, since_us: int) -> Rates:
        """Counts per arm and principle of the hours from the one of `since_us` on. Raises QueryTooSlow."""
        return read_rates(self._query, model, since_us)

    def newest(self) -> int:
        """Another number, a higher one as a rule, whenever exchanges have come since. Cheap."""
        return self._query(_NEWEST)[0][0] or 0

    def counts(self, model: str, since_us: int) -> dict[str, int]:
        """What `gateway.controller.tallies` counts, of all arms, in the hours from the one of `since_us` on."""
        return dict(self._query(_COUNTS, (model, since_us // HOUR_US)))

    def lately(self, model: str, since_us: int) -> dict[str, int]:
        """The same in the minutes from the one of `since_us` on, as far back as those are kept."""
        return dict(self._query(_LATELY, (model, since_us // MINUTE_US)))

    def over_time(self, model: str, frame: TimeFrame) -> Series:
        """Counts per arm and principle, bucket by bucket. Raises QueryTooSlow."""
        with self._file.looking() as connection:
            return read_series(connection, model, frame)

    def first_hour(self, model: str, since_us: int) -> int | None:
        """Start of the first hour, from that of `since_us` on, in which it had exchanges; None: it had none."""
        rows = self._query(_FIRST_HOUR, (model, since_us // HOUR_US))
        hour = rows[0][0]
        return hour * HOUR_US if isinstance(hour, int) else None

    def population(self, frame: Frame, principles: Sequence[str] = ()) -> dict[Stratum, int]:
        """How many exchanges each stratum has; `principles`: see gateway.controller.strata. Raises QueryTooSlow."""
        with self._file.looking() as connection:
            return population(connection, frame, principles)

    def draw(
        self, frame: Frame, size: int, seed: int, principles: Sequence[str] = ()
    ) -> tuple[dict[Stratum, int], list[Drawn]]:
        """The population, and `size` of it drawn by stratum, in random order. Raises QueryTooSlow."""
        with self._file.looking() as connection:
            return draw(connection, frame, size, seed, principles)

    def of_units(self, units: Sequence[bytes], after: int, limit: int) -> tuple[list[Placed], int, bool]:
        """Exchanges of these units among the next `limit` rows after row number `after`; the last of those rows;
        and whether there were fewer, so that it is the last of all. Raises QueryTooSlow.
        """
        places = ", ".join("?" * len(units))
        with self._file.looking() as connection:
            last, rows = connection.execute(_LAST_ROW, (after, limit)).fetchone()
            sql = f"SELECT id, model, time_us FROM exchanges WHERE rowid > ? AND rowid <= ? AND unit IN ({places})"  # noqa: S608
            found = connection.execute(sql, (after, last or after, *(unit.hex() for unit in units)))
            return [Placed(*row) for row in found], last or after, rows < limit

    def change(self, exchange_ids: Sequence[str], renamed: Callable[[VerdictV1], VerdictV1]) -> None:
        """Put what `renamed` makes of these verdicts in their place, another unit of each at most; counts stay.

        In pieces, since another may want to write; doing it again changes nothing.
        """
        for start in range(0, len(exchange_ids), _PIECE):
            with self._file.transaction() as connection:
                for exchange_id in exchange_ids[start : start + _PIECE]:
                    _change(connection, exchange_id, renamed)

    def scrub(self) -> bool:
        """Nothing of what was replaced or deleted is left on the disk; False: a reader holds it up."""
        return self._file.scrub()

    def purge(self, before_us: int) -> int:
        """Forget some exchanges from before then, a few thousand a call; returns how many it forgot."""
        with self._file.transaction() as connection:
            gone = _purge(connection, before_us)
            connection.execute(_OLD_MINUTES, (self._minutes_from_us // MINUTE_US,))
        if gone:
            self._file.give_back()
        return gone

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._file.close()

    @property
    def _minutes_from_us(self) -> int:
        return self._clock.now_us() - MINUTES_US


def look(path: Path, wanted: ExchangeFilter, limit: int) -> list[ExchangeRow]:
    """As `ExchangeIndex.find`, by the file at `path`, which another process may write. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return [row_of(row) for row in connection.execute(*select(wanted, limit, None))]


def _change(connection: sqlite3.Connection, exchange_id: str, renamed: Callable[[VerdictV1], VerdictV1]) -> None:
    found = connection.execute(_VERDICT, (exchange_id,)).fetchone()
    if found is None:
        return
    before = stored_verdict(found[0])
    after = renamed(before)
    if after != before:
        was, is_now = before.assignment, after.assignment
        connection.execute(_RENAME, (is_now.unit_hash.hex(), kept_verdict(after), exchange_id))
        connection.execute(_COUNT_AS, (is_now.unit_hash, before.model, was.assigned, was.unit_hash))


def _insert(connection: sqlite3.Connection, events: Iterable[object], tallies: Tallies) -> int:
    new = 0
    for event in events:
        if not isinstance(event, VerdictV1):
            continue  # a later version's event
        if connection.execute(INSERT_EXCHANGE, exchange_values(event)).rowcount == 0:
            continue
        connection.executemany(INSERT_PRINCIPLE, principle_values(event))
        tallies.count(event)
        new += 1
    tallies.save(connection)
    return new


def _purge(connection: sqlite3.Connection, before_us: int) -> int:
    oldest = connection.execute(_OLDEST, (before_us, _PURGE_ROWS)).fetchall()
    connection.executemany("DELETE FROM exchanges WHERE id = ?", oldest)
    connection.execute("DELETE FROM principles WHERE time_us < ?", (before_us,))
    for table in ("arm_tallies", "principle_tallies", "units"):
        connection.execute(f"DELETE FROM {table} WHERE hour < ?", (before_us // HOUR_US,))  # noqa: S608 - our names
    return len(oldest)
