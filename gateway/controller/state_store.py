"""`gateway.ports.StateStore` in SQL, which its engines share: they bring tables and transactions.

Each opening claims the next epoch. Whoever had the store open before is fenced: it can look, but every
further `save` of it raises StaleHead.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from gateway.controller import chain, rollout_rows
from gateway.controller.sql import Sql
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1
from gateway.ports import Head, Positions, RolloutStep, StaleHead, StoredRollout

UNIT_KEY = "unit key"
"""The name under which whoever leads keeps the fingerprint of the key that it deals units by."""
_POSITION = """
INSERT INTO positions VALUES (?, ?) ON CONFLICT (producer) DO UPDATE SET position = excluded.position
"""
_NAMED = "INSERT INTO named VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body"


def claim_epoch(sql: Sql, new_id: str, found: RoutingTable | None) -> int:
    """The next epoch of the store, which is made when it is missing: with the id `new_id`, or carrying on from
    `found`, a table that it had published. Its epoch is behind that in any case: the store may have been restored.
    """
    born = Head(new_id, 0, 0) if found is None else Head(found.store_id, found.epoch, found.version)
    routing = None if found is None else msgspec.json.encode(found)
    sql.execute(
        "INSERT INTO head VALUES (1, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (born.store_id, born.epoch, born.version, routing),
    )
    there = read_head(sql)
    published = found.epoch if found is not None and found.store_id == there.store_id else 0
    epoch = max(there.epoch, published) + 1
    sql.execute("UPDATE head SET epoch = ?", (epoch,))
    return epoch


def read_head(sql: Sql) -> Head:
    """Where the store is."""
    return Head(*sql.execute("SELECT store_id, epoch, version FROM head").fetchone())


def read_table(sql: Sql) -> RoutingTable | None:
    """The last routing table saved; None in a new store."""
    (routing,) = sql.execute("SELECT routing FROM head").fetchone()
    return None if routing is None else msgspec.json.decode(routing, type=RoutingTable)


def read_named(sql: Sql, name: str) -> bytes | None:
    """The small value that was kept under this name last; None: there is none."""
    found = sql.execute("SELECT body FROM named WHERE name = ?", (name,)).fetchone()
    return None if found is None else bytes(found[0])


class SqlStateStore(ABC):
    """See the module. Safe to call from any thread."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    @abstractmethod
    def reading(self) -> AbstractContextManager[Sql]:
        """One moment of the store."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Sql]:
        """All or nothing, with no other writer in between."""

    @abstractmethod
    def scrub(self) -> bool:
        """See StateStore."""

    @abstractmethod
    def close(self) -> None:
        """Let go; a second call does nothing."""

    def head(self) -> Head:
        """Where the store is now."""
        with self.reading() as sql:
            return read_head(sql)

    def table(self) -> RoutingTable | None:
        """The last routing table saved; None in a new store."""
        with self.reading() as sql:
            return read_table(sql)

    def positions(self) -> dict[str, int]:
        """The verdict positions saved last."""
        with self.reading() as sql:
            return dict(sql.execute("SELECT producer, position FROM positions"))

    def decisions(self, after: int, limit: int) -> list[tuple[int, DecisionV1]]:
        """(number, decision), oldest first, with numbers above `after`; the first one's number is 1."""
        found = self.bodies(after, limit)
        return [(number, msgspec.json.decode(body, type=DecisionV1)) for number, body, _ in found]

    def newest_decisions(self, before: int, limit: int) -> list[tuple[int, DecisionV1]]:
        """(number, decision), newest first, with numbers below `before`."""
        query = "SELECT number, body FROM decisions WHERE number < ? ORDER BY number DESC LIMIT ?"
        with self.reading() as sql:
            rows = sql.execute(query, (before, limit)).fetchall()
        return [(number, msgspec.json.decode(body, type=DecisionV1)) for number, body in rows]

    def bodies(self, after: int, limit: int) -> list[tuple[int, bytes, str]]:
        """(number, what was hashed, its hash) of decisions as stored, oldest first, with numbers above `after`."""
        query = "SELECT number, body, hash FROM decisions WHERE number > ? ORDER BY number LIMIT ?"
        with self.reading() as sql:
            return [(number, _bytes(body), made) for number, body, made in sql.execute(query, (after, limit))]

    def last_number(self) -> int:
        """Of the newest decision; 0 before the first."""
        with self.reading() as sql:
            return sql.execute("SELECT max(number) FROM decisions").fetchone()[0] or 0

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
        with self._writing() as sql:
            current = read_head(sql)
            if current != expected or current.epoch != self._epoch:
                raise StaleHead(
                    f"the state is at {current}, not at {expected} in epoch {self._epoch}: read it again"
                )
            moved = Head(current.store_id, current.epoch, current.version + 1)
            _check(table, moved, read_table(sql))
            sql.execute("UPDATE head SET version = ?, routing = ?", (moved.version, msgspec.json.encode(table)))
            _append(sql, decisions)
            sql.executemany(_POSITION, list((positions or {}).items()))
            for step in steps:
                rollout_rows.take(sql, step)
        return moved

    def rollouts(self) -> list[StoredRollout]:
        """All there ever were, oldest first, also those that ended."""
        with self.reading() as sql:
            return rollout_rows.stored(sql)

    def units(self, rollout: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        """The rows of those `wanted` that have one."""
        with self.reading() as sql:
            return rollout_rows.units(sql, rollout, wanted)

    def queue(self, rollout: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` of its open periods with numbers above `after`: (number, unit), ascending."""
        with self.reading() as sql:
            return rollout_rows.queue(sql, rollout, after, limit)

    def inputs(self, rollout: str) -> list[bytes]:
        """All inputs its steps had, oldest first; kept when it ended."""
        with self.reading() as sql:
            return rollout_rows.inputs(sql, rollout)

    def forget_some(self, limit: int) -> int:
        """Give back the room of at most `limit` forgotten rows and queue items; returns of how many, 0: none left.

        Raises StaleHead when fenced.
        """
        with self._writing() as sql:
            self._refuse_when_fenced(sql)
            return rollout_rows.forget_some(sql, limit)

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """Rows and open periods of `unit` become those of `to`, and inputs speak of that. Raises StaleHead when
        fenced.
        """
        with self._writing() as sql:
            self._refuse_when_fenced(sql)
            rollout_rows.rename_unit(sql, unit, to)

    def named(self, name: str) -> bytes | None:
        """The small value that was kept under this name last; None: there is none."""
        with self.reading() as sql:
            return read_named(sql, name)

    def keep(self, name: str, value: bytes) -> None:
        """Keep a small value under a name, instead of the one before. Raises StaleHead when fenced."""
        with self._writing() as sql:
            self._refuse_when_fenced(sql)
            sql.execute(_NAMED, (name, value))

    def _refuse_when_fenced(self, sql: Sql) -> None:
        current = read_head(sql)
        if current.epoch != self._epoch:
            raise StaleHead(f"the state is in epoch {current.epoch}, this opening was {self._epoch}: open it anew")


def _bytes(body: bytes | memoryview | str) -> bytes:
    """SQLite gives text where somebody has put text in the place of bytes."""
    return body.encode() if isinstance(body, str) else bytes(body)


def _check(table: RoutingTable, moved: Head, stored: RoutingTable | None) -> None:
    if table != stored and (table.store_id, table.epoch, table.version) != (
        moved.store_id,
        moved.epoch,
        moved.version,
    ):
        raise ValueError(
            f"a changed table must carry {moved}, not {table.store_id!r}, {table.epoch}, {table.version}"
        )


def _append(sql: Sql, decisions: Sequence[DecisionV1]) -> None:
    if not decisions:
        return
    last = sql.execute("SELECT number, hash FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
    number, head = last or (0, chain.GENESIS)
    for place, decision in enumerate(chain.link(decisions, head), number + 1):
        row = (place, chain.canonical(decision), chain.decision_hash(decision))
        sql.execute("INSERT INTO decisions (number, body, hash) VALUES (?, ?, ?)", row)
