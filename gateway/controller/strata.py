"""The population that people's labels speak for, counted and drawn from the index of exchanges."""

import sqlite3

from gateway.curation.sampling import ANY, Drawn, Frame, Stratum, allocate, place

_FRAME = """FROM exchanges INDEXED BY by_model
    WHERE model = ? AND time_us >= ? AND time_us < ? AND forced = 0 AND not_evaluated IS NULL AND arm != ''"""
_FLAGGED = f"""CASE WHEN ? = '{ANY}' THEN severity IS NOT NULL
    ELSE instr(' ' || violated || ' ', ' ' || ? || ' ') > 0 END"""
_COUNT = f"SELECT arm, {_FLAGGED}, count(*) {_FRAME} GROUP BY 1, 2"
_DRAW = f"SELECT id, time_us {_FRAME} AND arm = ? AND {_FLAGGED} = ? ORDER BY place(id), id LIMIT ?"


def population(connection: sqlite3.Connection, frame: Frame) -> dict[Stratum, int]:
    """How many exchanges each stratum has; those with none are left out."""
    principle = (frame.principle, frame.principle)
    rows = connection.execute(_COUNT, (*principle, *_values(frame)))
    return {Stratum(arm, bool(flagged)): count for arm, flagged, count in rows}


def draw(
    connection: sqlite3.Connection, frame: Frame, size: int, seed: int
) -> tuple[dict[Stratum, int], list[Drawn]]:
    """The population, and `size` of it by stratum, in random order: whoever labels only the first so many has
    labelled a random sample too.
    """
    sizes = population(connection, frame)
    connection.create_function("place", 1, lambda identifier: place(seed, identifier), deterministic=True)
    drawn = [
        Drawn(identifier, time_us, stratum, count / sizes[stratum])
        for stratum, count in allocate(sizes, size).items()
        for identifier, time_us in connection.execute(_DRAW, _draw_values(frame, stratum, count))
    ]
    return sizes, sorted(drawn, key=lambda one: place(~seed, one.exchange_id))


def _values(frame: Frame) -> tuple[object, ...]:
    return (frame.model, frame.since_us, frame.until_us)


def _draw_values(frame: Frame, stratum: Stratum, count: int) -> tuple[object, ...]:
    principle = (frame.principle, frame.principle)
    return (*_values(frame), stratum.arm, *principle, stratum.flagged, count)
