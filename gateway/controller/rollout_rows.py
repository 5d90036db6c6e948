"""Rows of rollouts in the controller's SQLite file: state, unit rows, queue of open periods, inputs.

Unit rows and queue items belong to a generation, a number that no two rollouts share and that none has twice.
Forgetting ten million rows is giving the rollout its next generation; `forget_some` deletes those of earlier
ones in pieces, so that no transaction is long. All functions run inside the caller's transaction.
"""

import sqlite3
from collections.abc import Sequence

from gateway.ports import RolloutStep, StoredRollout, UnitChanges

TABLES = """
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

_CHUNK = 900
"""Values per statement: SQLite's bound was 999 for long, and still is where it was built so."""
_UPSERT = "INSERT INTO units VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_CUT_UNITS = """
DELETE FROM units WHERE generation = ?1 AND unit IN
    (SELECT unit FROM units WHERE generation = ?1 ORDER BY unit LIMIT ?2)
"""
_CUT_QUEUE = """
DELETE FROM queue WHERE generation = ?1 AND number IN
    (SELECT number FROM queue WHERE generation = ?1 ORDER BY number LIMIT ?2)
"""


def take(connection: sqlite3.Connection, step: RolloutStep) -> None:
    """Save one step. Raises ValueError as `gateway.ports.StateStore.save` says."""
    number = _number(connection, step)
    connection.execute(
        "UPDATE rollouts SET state = ?, ended = ? WHERE number = ?", (step.state, step.ended, number)
    )
    if step.ended:
        _renew(connection, number)
    else:
        _change(connection, _generation(connection, step.rollout), step.units)
    _add_inputs(connection, number, step.inputs)


def _number(connection: sqlite3.Connection, step: RolloutStep) -> int:
    found = connection.execute("SELECT number, model FROM rollouts WHERE rollout = ?", (step.rollout,)).fetchone()
    if found is None:
        connection.execute(
            "INSERT INTO rollouts (rollout, model, ended, generation, state) VALUES (?, ?, ?, ?, ?)",
            (step.rollout, step.model, step.ended, _next_generation(connection), step.state),
        )
        return _number(connection, step)
    number, model = found
    if model != step.model:
        raise ValueError(f"rollout {step.rollout!r} is one of model {model!r}, not of {step.model!r}")
    return int(number)


def _next_generation(connection: sqlite3.Connection) -> int:
    """Above every one there ever was: the newest is always some rollout's, and no rollout is ever deleted."""
    (newest,) = connection.execute("SELECT coalesce(max(generation), 0) FROM rollouts").fetchone()
    return int(newest) + 1


def _renew(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO forgotten SELECT generation FROM rollouts WHERE number = ?", (number,))
    connection.execute(
        "UPDATE rollouts SET generation = ? WHERE number = ?", (_next_generation(connection), number)
    )


def _generation(connection: sqlite3.Connection, rollout: str) -> int:
    """0, which no row has, for a rollout that is not there."""
    found = connection.execute("SELECT generation FROM rollouts WHERE rollout = ?", (rollout,)).fetchone()
    return 0 if found is None else int(found[0])


def _change(connection: sqlite3.Connection, generation: int, units: UnitChanges) -> None:
    # in the order of the keys, so that neighbours are written while their page is at hand
    connection.executemany(_UPSERT, [(generation, unit, units.rows[unit]) for unit in sorted(units.rows)])
    _push(connection, generation, units.pushed)
    connection.execute("DELETE FROM queue WHERE generation = ? AND number <= ?", (generation, units.popped))


def _push(connection: sqlite3.Connection, generation: int, pushed: Sequence[tuple[int, bytes]]) -> None:
    (last,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM queue WHERE generation = ?", (generation,)
    ).fetchone()
    for number, unit in pushed:
        if number <= last:
            raise ValueError(f"a period was pushed with number {number} after number {last}: numbers must grow")
        connection.execute("INSERT INTO queue VALUES (?, ?, ?)", (generation, number, unit))
        last = number


def _add_inputs(connection: sqlite3.Connection, number: int, inputs: Sequence[bytes]) -> None:
    (last,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM inputs WHERE rollout = ?", (number,)
    ).fetchone()
    connection.executemany(
        "INSERT INTO inputs VALUES (?, ?, ?)",
        [(number, place, body) for place, body in enumerate(inputs, last + 1)],
    )


def stored(connection: sqlite3.Connection) -> list[StoredRollout]:
    """All rollouts, oldest first."""
    rows = connection.execute("SELECT rollout, model, state, ended, number FROM rollouts ORDER BY number")
    return [
        StoredRollout(rollout, model, state, bool(ended), number) for rollout, model, state, ended, number in rows
    ]


def units(connection: sqlite3.Connection, rollout: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
    """The rows of those `wanted` that have one."""
    generation = _generation(connection, rollout)
    rows: dict[bytes, bytes] = {}
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        places = ", ".join("?" * len(chunk))
        query = f"SELECT unit, body FROM units WHERE generation = ? AND unit IN ({places})"  # noqa: S608 - no input
        rows.update(connection.execute(query, (generation, *chunk)))
    return rows


def queue(connection: sqlite3.Connection, rollout: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    """(number, unit) of open periods with numbers above `after`, ascending."""
    query = "SELECT number, unit FROM queue WHERE generation = ? AND number > ? ORDER BY number LIMIT ?"
    return connection.execute(query, (_generation(connection, rollout), after, limit)).fetchall()


def inputs(connection: sqlite3.Connection, rollout: str) -> list[bytes]:
    """All inputs of a rollout, oldest first."""
    query = (
        "SELECT body FROM inputs WHERE rollout = (SELECT number FROM rollouts WHERE rollout = ?) ORDER BY number"
    )
    return [body for (body,) in connection.execute(query, (rollout,))]


def rename_unit(connection: sqlite3.Connection, unit: bytes, to: bytes) -> None:
    """Everywhere, also in generations that are still to be deleted."""
    generations = connection.execute("SELECT generation FROM rollouts UNION SELECT generation FROM forgotten")
    for (generation,) in generations.fetchall():
        for table in ("units", "queue"):
            query = f"UPDATE {table} SET unit = ? WHERE generation = ? AND unit = ?"  # noqa: S608 - our names
            connection.execute(query, (to, generation, unit))
    spoken = connection.execute("SELECT rollout, number, body FROM inputs WHERE instr(body, ?)", (unit,)).fetchall()
    connection.executemany(
        "UPDATE inputs SET body = ? WHERE rollout = ? AND number = ?",
        [(body.replace(unit, to), rollout, number) for rollout, number, body in spoken],  # as long, and random
    )


def forget_some(connection: sqlite3.Connection, limit: int) -> int:
    """Delete at most `limit` rows and queue items of forgotten generations; returns how many were deleted."""
    gone = 0
    for (generation,) in connection.execute("SELECT generation FROM forgotten ORDER BY generation").fetchall():
        for cut in (_CUT_UNITS, _CUT_QUEUE):
            gone += connection.execute(cut, (generation, limit - gone)).rowcount
        if gone == limit:  # there may be more of it
            break
        connection.execute("DELETE FROM forgotten WHERE generation = ?", (generation,))
    return gone
