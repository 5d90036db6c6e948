"""The index of exchanges: one row per verdict, to be listed, filtered, paged and counted. Holds no text.

It is made from the stream `verdicts`, and made anew from it when it is lost, as far back as that reaches.
Positions are saved with the rows, and an exchange that is there already is passed over: however often a
verdict is delivered, it counts once.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import structlog

from gateway.controller.database import open_database, open_reader
from gateway.controller.exchange_query import Cursor, ExchangeFilter, ExchangeRow, row_of, select
from gateway.controller.index_schema import (
    INSERT_EXCHANGE,
    INSERT_PRINCIPLE,
    SCHEMA,
    VERSION,
    exchange_values,
    principle_values,
    stored_verdict,
)
from gateway.controller.rates import Rates, read_rates
from gateway.controller.tallies import HOUR_US, Tallies
from gateway.events.schema import VerdictV1
from gateway.ports import Clock, Entry, Positions

log = structlog.get_logger(__name__)

_QUERY_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 10_000
_PURGE_ROWS = 5000
_OLDEST = "SELECT id FROM exchanges INDEXED BY by_time WHERE time_us < ? ORDER BY time_us LIMIT ?"


class QueryTooSlow(Exception):
    """A look at the index took longer than its deadline."""


class ExchangeIndex:
    """See the module. One process writes; its methods may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open or make it. What is no database is set aside, and made anew.

        Raises FormatError, StorageUnusable.
        """
        try:
            return cls(path, open_database(path, SCHEMA, VERSION), clock)
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(".damaged")
            log.error("the index is damaged, making it anew", set_aside=str(aside), error=str(error))  # noqa: TRY400
            path.replace(aside)
            return cls(path, open_database(path, SCHEMA, VERSION), clock)

    def positions(self) -> dict[str, int]:
        """What has been taken in of each producer."""
        return dict(self._query("SELECT producer, position FROM positions", ()))

    def add(self, entries: Iterable[Entry], positions: Positions) -> int:
        """Take verdicts in and move to `positions`, in one transaction; returns how many were new.

        Raises sqlite3.Error, having changed nothing.
        """
        with self._transaction() as connection:
            new = _insert(connection, (entry.event for entry in entries))
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())
        return new

    def find(self, wanted: ExchangeFilter, limit: int, after: Cursor | None = None) -> list[ExchangeRow]:
        """At most `limit` exchanges, the newest first, that follow `after`. Raises QueryTooSlow."""
        return [row_of(row) for row in self._query(*select(wanted, limit, after))]

    def verdict(self, exchange_id: str) -> VerdictV1 | None:
        """The whole verdict of one exchange; None when there is none here."""
        found = self._query("SELECT verdict FROM exchanges WHERE id = ?", (exchange_id,))
        return stored_verdict(found[0][0]) if found else None

    def rates(self, model: str, since_us: int) -> Rates:
        """Counts per arm and principle of the hours from the one of `since_us` on. Raises QueryTooSlow."""
        return read_rates(self._query, model, since_us)

    def purge(self, before_us: int) -> int:
        """Forget some exchanges from before then, a few thousand a call; returns how many it forgot."""
        with self._transaction() as connection:
            gone = _purge(connection, before_us)
        if gone:
            with self._lock:
                self._connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()
        return gone

    def close(self) -> None:
        """Let go; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """One short look on a connection of its own, so that no reader holds up the writer's log."""
        deadline = self._clock.monotonic() + _QUERY_SECONDS
        connection = open_reader(self._path)
        try:
            connection.set_progress_handler(lambda: self._clock.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
            return connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise QueryTooSlow(f"no answer within {_QUERY_SECONDS:g} s: narrow the filter") from error
            raise
        finally:
            connection.close()


def _insert(connection: sqlite3.Connection, events: Iterable[object]) -> int:
    new, tallies = 0, Tallies()
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
