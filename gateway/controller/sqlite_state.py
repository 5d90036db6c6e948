"""`gateway.ports.StateStore` on SQLite: what the controller must not forget, in a file of the data folder."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

from gateway.controller.database import empty_log, give_back_pages, open_database, opening, transaction
from gateway.controller.state_store import SqlStateStore, claim_epoch
from gateway.core.routing import RoutingTable

_VERSION = 3
_ROLLOUTS = """
CREATE TABLE rollouts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, rollout TEXT NOT NULL UNIQUE, model TEXT NOT NULL,
    ended INTEGER NOT NULL, generation INTEGER NOT NULL UNIQUE, state BLOB NOT NULL
);
CREATE TABLE units (
    generation INTEGER, unit BLOB, body BLOB NOT NULL, PRIMARY KEY (generation, unit)
) WITHOUT ROWID;
CREATE TABLE queue (
    generation INTEGER, number INTEGER, unit BLOB NOT NULL, PRIMARY KEY (generation, number)
) WITHOUT ROWID;
CREATE TABLE inputs (
    rollout INTEGER, number INTEGER, body BLOB NOT NULL, PRIMARY KEY (rollout, number)
) WITHOUT ROWID;
CREATE TABLE forgotten (generation INTEGER PRIMARY KEY)
"""
_NAMED = "CREATE TABLE named (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
_SCHEMA = f"""
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    store_id TEXT NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL, routing BLOB
);
CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, hash TEXT NOT NULL);
CREATE TABLE positions (producer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
{_ROLLOUTS};
{_NAMED}
"""
_MIGRATIONS = {1: _ROLLOUTS, 2: _NAMED}
_ROWS_PER_PAGE = 16
"""There are at least as many, so that the file shrinks as fast as rows go."""


class SqliteStateStore(SqlStateStore):
    """See the module. Safe to call from any thread."""

    def __init__(self, connection: sqlite3.Connection, epoch: int) -> None:
        super().__init__(epoch)
        self._connection = connection
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, new_id: str, found: RoutingTable | None = None) -> Self:
        """Open the store and claim its next epoch; `new_id`, `found`: see `claim_epoch`.

        Raises FormatError, StorageUnusable, sqlite3.Error.
        """
        with opening(path):
            connection = open_database(path, _SCHEMA, _VERSION, _MIGRATIONS)
            try:
                with transaction(connection, "IMMEDIATE"):
                    epoch = claim_epoch(connection, new_id, found)
            except BaseException:
                connection.close()
                raise
            return cls(connection, epoch)

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._connection, kind) as connection:
            yield connection

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._transaction("DEFERRED")

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._transaction("IMMEDIATE")

    def forget_some(self, limit: int) -> int:
        """As every engine; the file shrinks by it too."""
        gone = super().forget_some(limit)
        if gone:
            with self._lock:
                give_back_pages(self._connection, gone // _ROWS_PER_PAGE + 1)
        return gone

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
