"""A connection to PostgreSQL that many threads may use, and the lead that one process holds by it.

Whoever holds the advisory lock leads, for as long as the connection lives. PostgreSQL ends one that says nothing
for `SILENT_SECONDS`, so that a paused or cut-off process loses the lead; a thread sees to it that others don't.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from gateway.controller.database import StorageUnusable
from gateway.controller.sql import Rows
from gateway.keys import read_secret
from gateway.settings import ConfigError, State

log = structlog.get_logger(__name__)

SCHEMA = "tipstaff"
"""Where all tables are."""
SILENT_SECONDS = 10
_BEAT_SECONDS = 2.0
_LONGEST_SECONDS, _HANGING_SECONDS = 15, 20.0
"""A statement may take so long: by the server, and by us, who let go of one that says nothing at all."""
_PEACE_SECONDS = 2.0
"""How long the end waits for a statement under way."""
_LEAD = (0x74697073, 0x7461_6666)
"""The lock's two numbers: the bytes of its name."""
_NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * SILENT_SECONDS,
    "target_session_attrs": "read-write",  # of several hosts the one that is no replica
}
_SESSION = (
    f"SET idle_session_timeout = '{SILENT_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{SILENT_SECONDS}s'",
    f"SET tcp_user_timeout = '{SILENT_SECONDS}s'",  # also where the server is just saying something
    "SET lock_timeout = '10s'",
    f"SET statement_timeout = '{_LONGEST_SECONDS}s'",
    f"SET search_path = {SCHEMA}",
)
_HOLDER = """
SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = ? AND objid = ?
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_OURS = "tipstaff "


class Statements:
    """`gateway.controller.sql.Sql` on a connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        """See Sql."""
        return self._connection.execute(_theirs(sql), parameters or None)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """See Sql."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_theirs(sql), parameters)


def _theirs(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


class Postgres:
    """See the module. Safe to use from any thread."""

    def __init__(self, connection: psycopg.Connection[Any], where: str) -> None:
        self._connection = connection
        self._statements = Statements(connection)
        self._where = where
        self._on_lost: Callable[[], object] = lambda: None
        self._lost = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._beat, name="postgres", daemon=True).start()

    @staticmethod
    def parts(state: State) -> dict[str, Any]:
        """The words of libpq that say where to and as whom. Raises ConfigError."""
        try:
            found = conninfo_to_dict(state.url)
        except psycopg.ProgrammingError as error:
            raise ConfigError([f"state.url: {error}"]) from error
        if state.password_file is not None:
            found["password"] = read_secret("state.password_file", state.password_file)
        return found

    @classmethod
    def connect(cls, state: State, name: str) -> Self:
        """`name`: of this gateway, which others are told. Raises StorageUnusable, ConfigError."""
        given = {**_NETWORK, "application_name": f"{_OURS}{name}"[:63], **cls.parts(state)}
        where = f"PostgreSQL at {given.get('host', 'this machine')}"
        with _explained(where):
            connection = psycopg.connect(**given)
            try:
                connection.autocommit = True
                for statement in _SESSION:
                    connection.execute(statement.encode())
            except BaseException:
                connection.close()
                raise
        return cls(connection, where)

    def when_lost(self, act: Callable[[], object]) -> None:
        """Call `act` once, from any thread, when the connection is lost, or has been; not for `close`."""
        with self._lock:
            self._on_lost = act
            if self._lost:
                act()

    @contextmanager
    def reading(self) -> Iterator[Statements]:
        """One moment of the database. Raises StorageUnusable."""
        with self._transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") as statements:
            yield statements

    @contextmanager
    def writing(self) -> Iterator[Statements]:
        """All or nothing. Raises StorageUnusable."""
        with self._transaction("ISOLATION LEVEL READ COMMITTED READ WRITE") as statements:
            yield statements

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[Statements]:
        with self._lock, self._watched():
            self._statements.execute(f"BEGIN {kind}")
            try:
                yield self._statements
                self._statements.execute("COMMIT")
            except BaseException:
                if not self._connection.closed:
                    self._statements.execute("ROLLBACK")
                raise

    def lead(self) -> bool:
        """Whether this connection has the lead, from now on for as long as it lives. Raises StorageUnusable."""
        with self._lock, self._watched():
            (has,) = self._statements.execute("SELECT pg_try_advisory_lock(?, ?)", _LEAD).fetchone()
        return bool(has)

    def leader(self) -> str | None:
        """The name of whoever has the lead; None: nobody has. Raises StorageUnusable."""
        with self._lock, self._watched():
            found = self._statements.execute(_HOLDER, _LEAD).fetchone()
        return None if found is None else str(found[0] or "another gateway").removeprefix(_OURS)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with _explained(self._where):
                yield
        finally:
            if self._connection.closed and not self._over.is_set():
                self._over.set()
                self._lost = True
                self._on_lost()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT_SECONDS):
            if not self._lock.acquire(timeout=_HANGING_SECONDS):
                self._cut()
                continue
            cutting = threading.Timer(_HANGING_SECONDS, self._cut)
            cutting.start()
            try:
                with suppress(StorageUnusable), self._watched():
                    self._statements.execute("SELECT 1")
            finally:
                cutting.cancel()
                self._lock.release()

    def _cut(self) -> None:
        """Whoever waits for the server hears that the connection is lost."""
        log.error("the database says nothing any more, letting go of it", where=self._where)
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._connection.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go, of the lead too; a second call does nothing."""
        self._over.set()
        in_peace = self._lock.acquire(timeout=_PEACE_SECONDS)
        try:
            self._connection.close()
        finally:
            if in_peace:
                self._lock.release()


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.IntegrityError, psycopg.DataError):  # ours, not the database's
        raise
    except psycopg.Error as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise StorageUnusable(f"the state in {where} cannot be used: {said}") from error
