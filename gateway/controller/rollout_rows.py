"""Rows of rollouts in the state store: state, unit rows, queue of open periods, inputs.

Unit rows and queue items belong to a generation, a number that no two rollouts share and that none has twice.
Forgetting ten million rows is giving the rollout its next generation; `forget_some` deletes those of earlier
ones in pieces, so that no transaction is long. All functions run inside the caller's transaction.
"""

from collections.abc import Sequence

from gateway.controller.sql import Sql
from gateway.ports import RolloutStep, StoredRollout, UnitChanges

_CHUNK = 900
"""Values per statement: SQLite's bound was 999 for long, and still is where it was built so."""
_UPSERT = "INSERT INTO units VALUES (?, ?, ?) ON CONFLICT (generation, unit) DO UPDATE SET body = excluded.body"
_CUT_UNITS = """
DELETE FROM units WHERE generation = ? AND unit IN
    (SELECT unit FROM units WHERE generation = ? ORDER BY unit LIMIT ?)
"""
_CUT_QUEUE = """
DELETE FROM queue WHERE generation = ? AND number IN
    (SELECT number FROM queue WHERE generation = ? ORDER BY number LIMIT ?)
"""


def take(sql: Sql, step: RolloutStep) -> None:
    """Save one step. Raises ValueError as `gateway.ports.StateStore.save` says."""
    number = _number(sql, step)
    sql.execute("UPDATE rollouts SET state = ?, ended = ? WHERE number = ?", (step.state, step.ended, number))
    if step.ended:
        _renew(sql, number)
    else:
        _change(sql, _generation(sql, step.rollout), step.units)
    _add_inputs(sql, number, step.inputs)


def _number(sql: Sql, step: RolloutStep) -> int:
    found = sql.execute("SELECT number, model FROM rollouts WHERE rollout = ?", (step.rollout,)).fetchone()
    if found is None:
        sql.execute(
            """INSERT INTO rollouts (number, rollout, model, ended, generation, state)
            VALUES ((SELECT coalesce(max(number), 0) + 1 FROM rollouts), ?, ?, ?, ?, ?)""",
            (step.rollout, step.model, step.ended, _next_generation(sql), step.state),
        )
        return _number(sql, step)
    number, model = found
    if model != step.model:
        raise ValueError(f"rollout {step.rollout!r} is one of model {model!r}, not of {step.model!r}")
    return int(number)


def _next_generation(sql: Sql) -> int:
    """Above every one there ever was: the newest is always some rollout's, and no rollout is ever deleted."""
    (newest,) = sql.execute("SELECT coalesce(max(generation), 0) FROM rollouts").fetchone()
    return int(newest) + 1


def _renew(sql: Sql, number: int) -> None:
    sql.execute("INSERT INTO forgotten SELECT generation FROM rollouts WHERE number = ?", (number,))
    sql.execute("UPDATE rollouts SET generation = ? WHERE number = ?", (_next_generation(sql), number))


def _generation(sql: Sql, rollout: str) -> int:
    """0, which no row has, for a rollout that is not there."""
    found = sql.execute("SELECT generation FROM rollouts WHERE rollout = ?", (rollout,)).fetchone()
    return 0 if found is None else int(found[0])


def _change(sql: Sql, generation: int, units: UnitChanges) -> None:
    # in the order of the keys, so that neighbours are written while their page is at hand
    sql.executemany(_UPSERT, [(generation, unit, units.rows[unit]) for unit in sorted(units.rows)])
    _push(sql, generation, units.pushed)
    sql.execute("DELETE FROM queue WHERE generation = ? AND number <= ?", (generation, units.popped))


def _push(sql: Sql, generation: int, pushed: Sequence[tuple[int, bytes]]) -> None:
    (last,) = sql.execute(
        "SELECT coalesce(max(number), 0) FROM queue WHERE generation = ?", (generation,)
    ).fetchone()
    for number, _ in pushed:
        if number <= last:
            raise ValueError(f"a period was pushed with number {number} after number {last}: numbers must grow")
        last = number
    sql.executemany("INSERT INTO queue VALUES (?, ?, ?)", [(generation, *period) for period in pushed])


def _add_inputs(sql: Sql, number: int, inputs: Sequence[bytes]) -> None:
    (last,) = sql.execute("SELECT coalesce(max(number), 0) FROM inputs WHERE rollout = ?", (number,)).fetchone()
    sql.executemany(
        "INSERT INTO inputs VALUES (?, ?, ?)",
        [(number, place, body) for place, body in enumerate(inputs, last + 1)],
    )


def stored(sql: Sql) -> list[StoredRollout]:
    """All rollouts, oldest first."""
    rows = sql.execute("SELECT rollout, model, state, ended, number FROM rollouts ORDER BY number")
    return [
        StoredRollout(rollout, model, state, bool(ended), number) for rollout, model, state, ended, number in rows
    ]


def units(sql: Sql, rollout: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
    """The rows of those `wanted` that have one."""
    generation = _generation(sql, rollout)
    rows: dict[bytes, bytes] = {}
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        places = ", ".join("?" * len(chunk))
        query = f"SELECT unit, body FROM units WHERE generation = ? AND unit IN ({places})"  # noqa: S608 - no input
        rows.update(sql.execute(query, (generation, *chunk)))
    return rows


def queue(sql: Sql, rollout: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    """(number, unit) of open periods with numbers above `after`, ascending."""
    query = "SELECT number, unit FROM queue WHERE generation = ? AND number > ? ORDER BY number LIMIT ?"
    return sql.execute(query, (_generation(sql, rollout), after, limit)).fetchall()


def inputs(sql: Sql, rollout: str) -> list[bytes]:
    """All inputs of a rollout, oldest first."""
    query = (
        "SELECT body FROM inputs WHERE rollout = (SELECT number FROM rollouts WHERE rollout = ?) ORDER BY number"
    )
    return [body for (body,) in sql.execute(query, (rollout,))]


def rename_unit(sql: Sql, unit: bytes, to: bytes) -> None:
    """Everywhere, also in generations that are still to be deleted."""
    generations = sql.execute("SELECT generation FROM rollouts UNION SELECT generation FROM forgotten")
    for (generation,) in generations.fetchall():
        for table in ("units", "queue"):
            query = f"UPDATE {table} SET unit = ? WHERE generation = ? AND unit = ?"  # noqa: S608 - our names
            sql.execute(query, (to, generation, unit))
    spoken = sql.execute("SELECT rollout, number, body FROM inputs WHERE instr(body, ?) > 0", (unit,)).fetchall()
    sql.executemany(
        "UPDATE inputs SET body = ? WHERE rollout = ? AND number = ?",
        [(body.replace(unit, to), rollout, number) for rollout, number, body in spoken],  # as long, and random
    )


def forget_some(sql: Sql, limit: int) -> int:
    """Delete at most `limit` rows and queue items of forgotten generations; returns how many were deleted."""
    gone = 0
    for (generation,) in sql.execute("SELECT generation FROM forgotten ORDER BY generation").fetchall():
        for cut in (_CUT_UNITS, _CUT_QUEUE):
            gone += sql.execute(cut, (generation, generation, limit - gone)).rowcount
        if gone == limit:  # there may be more of it
            break
        sql.execute("DELETE FROM forgotten WHERE generation = ?", (generation,))
    return gone
