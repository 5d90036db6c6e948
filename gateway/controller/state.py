"""`gateway.ports.StateStore` on SQLite: what the controller must not forget, one transaction per call.

Each opening claims the next epoch. Whoever had the store open before is fenced: it can look, but every
further `save` of it raises StaleHead.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from gateway.controller import chain, rollout_rows
from gateway.controller.database import empty_log, give_back_pages, open_database, opening
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1
from gateway.ports import Head, Positions, RolloutStep, StaleHead, StoredRollout

_VERSION = 3
_NAMED = "CREATE TABLE named (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
_SCHEMA = f"""
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    store_id TEXT NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL, routing BLOB
);
CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, hash TEXT NOT NULL);
CREATE TABLE positions (producer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
{rollout_rows.TABLES};
{_NAMED}
"""
_MIGRATIONS = {1: rollout_rows.TABLES, 2: _NAMED}
_ROWS_PER_PAGE = 16
"""There are at least as many, so that the file shrinks as fast as rows go."""


class SqliteStateStore:
    """See the module. Safe to call from any thread."""

    def __init__(self, connection: sqlite3.Connection, epoch: int) -> None:
        self._connection = connection
        self._epoch = epoch
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: Path, new_id: str, found: RoutingTable | None = None) -> Self:
        """Open the store and claim its next epoch.

        A new one gets the id `new_id`, or carries on from `found`, a table that a lost store had published.
        Raises FormatError, StorageUnusable, sqlite3.Error.
        """
        with opening(path):
            return cls._opened(path, new_id, found)

    @classmethod
    def _opened(cls, path: Path, new_id: str, found: RoutingTable | None) -> Self:
        connection = open_database(path, _SCHEMA, _VERSION, _MIGRATIONS)
        born = Head(new_id, 0, 0) if found is None else Head(found.store_id, found.epoch, found.version)
        routing = None if found is None else msgspec.json.encode(found)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT OR IGNORE INTO head VALUES (1, ?, ?, ?, ?)",
                (born.store_id, born.epoch, born.version, routing),
            )
            connection.execute("UPDATE head SET epoch = epoch + 1")
            (epoch,) = connection.execute("SELECT epoch FROM head").fetchone()
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return cls(connection, epoch)

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def head(self) -> Head:
        """Where the store is now."""
        with self._transaction("DEFERRED") as connection:
            return _head(connection)

    def table(self) -> RoutingTable | None:
        """The last routing table saved; None in a new store."""
        with self._transaction("DEFERRED") as connection:
            return _table(connection)

    def positions(self) -> dict[str, int]:
        """The verdict positions saved last."""
        with self._transaction("DEFERRED") as connection:
            return dict(connection.execute("SELECT producer, position FROM positions"))

    def decisions(self, after: int, limit: int) -> list[tuple[int, DecisionV1]]:
        """(number, decision), oldest first, with numbers above `after`; the first one's number is 1."""
        query = "SELECT number, body FROM decisions WHERE number > ? ORDER BY number LIMIT ?"
        with self._transaction("DEFERRED") as connection:
            rows = connection.execute(query, (after, limit)).fetchall()
        return [(number, msgspec.json.decode(body, type=DecisionV1)) for number, body in rows]

    def save(
        self,
        expected: Head,
        table: RoutingTable,
        decisions: Sequence[DecisionV1],
        positions: Positions | None = None,
        steps: Sequence[RolloutStep] = (),
    ) -> Head:
        """Save all of it and move the head one version on. Each decision's `previous` is set here.

        `table` is the stored one, or carries the version that the head moves to. Raises StaleHead, and
        ValueError for a table of another store or version or a step that cannot be, having changed nothing.
        """
        with self._transaction("IMMEDIATE") as connection:
            current = _head(connection)
            if current != expected or current.epoch != self._epoch:
                raise StaleHead(
                    f"the state is at {current}, not at {expected} in epoch {self._epoch}: read it again"
                )
            moved = Head(current.store_id, current.epoch, current.version + 1)
            _check(table, moved, _table(connection))
            connection.execute(
                "UPDATE head SET version = ?, routing = ?", (moved.version, msgspec.json.encode(table))
            )
            _append(connection, decisions)
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", (positions or {}).items())
            for step in steps:
                rollout_rows.take(connection, step)
        return moved

    def rollouts(self) -> list[StoredRollout]:
        """All there ever were, oldest first, also those that ended."""
        with self._transaction("DEFERRED") as connection:
            return rollout_rows.stored(connection)

    def units(self, rollout: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        """The rows of those `wanted` that have one."""
        with self._transaction("DEFERRED") as connection:
            return rollout_rows.units(connection, rollout, wanted)

    def queue(self, rollout: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` of its open periods with numbers above `after`: (number, unit), ascending."""
        with self._transaction("DEFERRED") as connection:
            return rollout_rows.queue(connection, rollout, after, limit)

    def inputs(self, rollout: str) -> list[bytes]:
        """All inputs its steps had, oldest first; kept when it ended."""
        with self._transaction("DEFERRED") as connection:
            return rollout_rows.inputs(connection, rollout)

    def forget_some(self, limit: int) -> int:
        """Give back the room of at most `limit` forgotten rows and queue items; returns of how many, 0: none left.

        Raises StaleHead when fenced.
        """
        with self._transaction("IMMEDIATE") as connection:
            self._refuse_when_fenced(connection)
            gone = rollout_rows.forget_some(connection, limit)
        if gone:
            with self._lock:
                give_back_pages(self._connection, gone // _ROWS_PER_PAGE + 1)
        return gone

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """Rows and open periods of `unit` become those of `to`, and inputs speak of that. Raises StaleHead when
        fenced.
        """
        with self._transaction("IMMEDIATE") as connection:
            self._refuse_when_fenced(connection)
            rollout_rows.rename_unit(connection, unit, to)

    def scrub(self) -> bool:
        """Nothing of earlier pages stays on the disk; False: a reader holds it up."""
        with self._lock:
            return empty_log(self._connection)

    def named(self, name: str) -> bytes | None:
        """The small value that was kept under this name last; None: there is none."""
        with self._transaction("DEFERRED") as connection:
            found = connection.execute("SELECT body FROM named WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def keep(self, name: str, value: bytes) -> None:
        """Keep a small value under a name, instead of the one before. Raises StaleHead when fenced."""
        with self._transaction("IMMEDIATE") as connection:
            self._refuse_when_fenced(connection)
            connection.execute("INSERT OR REPLACE INTO named VALUES (?, ?)", (name, value))

    def _refuse_when_fenced(self, connection: sqlite3.Connection) -> None:
        current = _head(connection)
        if current.epoch != self._epoch:
            raise StaleHead(f"the state is in epoch {current.epoch}, this opening was {self._epoch}: open it anew")

    def close(self) -> None:
        """Let go; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()


def _head(connection: sqlite3.Connection) -> Head:
    return Head(*connection.execute("SELECT store_id, epoch, version FROM head").fetchone())


def _table(connection: sqlite3.Connection) -> RoutingTable | None:
    (routing,) = connection.execute("SELECT routing FROM head").fetchone()
    return None if routing is None else msgspec.json.decode(routing, type=RoutingTable)


def _check(table: RoutingTable, moved: Head, stored: RoutingTable | None) -> None:
    if table != stored and (table.store_id, table.epoch, table.version) != (
        moved.store_id,
        moved.epoch,
        moved.version,
    ):
        raise ValueError(
            f"a changed table must carry {moved}, not {table.store_id!r}, {table.epoch}, {table.version}"
        )


def _append(connection: sqlite3.Connection, decisions: Sequence[DecisionV1]) -> None:
    last = connection.execute("SELECT hash FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
    for decision in chain.link(decisions, last[0] if last else chain.GENESIS):
        row = (chain.canonical(decision), chain.decision_hash(decision))
        connection.execute("INSERT INTO decisions (body, hash) VALUES (?, ?)", row)
