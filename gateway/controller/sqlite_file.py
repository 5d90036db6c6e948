"""One of the controller's SQLite files: one connection that writes, and one of its own for every look."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import structlog

from gateway.controller.database import empty_log, give_back_pages, open_database, open_reader, transaction
from gateway.ports import Clock

log = structlog.get_logger(__name__)

_QUERY_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 10_000
_PAGES_GIVEN_BACK = 1000


class QueryTooSlow(sqlite3.OperationalError):
    """A look at a file took longer than its deadline."""


class SqliteFile:
    """One process writes; its methods may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, schema: str, version: int, clock: Clock) -> Self:
        """Open or make it. Raises FormatError, StorageUnusable, sqlite3.DatabaseError."""
        return cls(path, open_database(path, schema, version), clock)

    @classmethod
    def open_remakeable(
        cls, path: Path, schema: str, version: int, clock: Clock, migrations: Mapping[int, str] | None = None
    ) -> Self:
        """Open or make what can be made anew from elsewhere: what is no database is set aside, and what is of an
        older format is migrated as it is, without a copy that nobody would need.

        Raises FormatError, StorageUnusable.
        """

        def connected() -> sqlite3.Connection:
            return open_database(path, schema, version, migrations, copied=False)

        try:
            return cls(path, connected(), clock)
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(".damaged")
            log.error("a file is damaged, making it anew", file=str(path), set_aside=str(aside), error=str(error))  # noqa: TRY400
            path.replace(aside)
            return cls(path, connected(), clock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The one that writes, for all or nothing."""
        with self._lock, transaction(self._connection, "IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """A connection that reads one state of the file, so that no reader holds up the writer's log.

        Raises QueryTooSlow out of what takes longer than _QUERY_SECONDS.
        """
        deadline = self._clock.monotonic() + _QUERY_SECONDS
        connection = open_reader(self._path)
        try:
            connection.set_progress_handler(lambda: self._clock.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
            connection.execute("BEGIN")
            yield connection
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise QueryTooSlow(f"no answer within {_QUERY_SECONDS:g} s: narrow the filter") from error
            raise
        finally:
            connection.close()

    def query(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """One short look. Raises QueryTooSlow."""
        with self.looking() as connection:
            return connection.execute(sql, values).fetchall()

    def give_back(self) -> None:
        """Cut some unused pages off the file; after rows were deleted."""
        with self._lock:
            give_back_pages(self._connection, _PAGES_GIVEN_BACK)

    def scrub(self) -> bool:
        """Nothing of earlier pages stays on the disk; False: a reader holds it up."""
        with self._lock:
            return empty_log(self._connection)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()
