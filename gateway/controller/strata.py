"""The population that people's labels speak for, counted and drawn from the index of exchanges."""

import json
import sqlite3
from collections.abc import Sequence

from gateway.curation.sampling import ANY, Drawn, Frame, Stratum, allocate, in_turn, place

_FRAME = """FROM exchanges INDEXED BY by_model
    WHERE model = ? AND time_us >= ? AND time_us < ? AND forced = 0 AND not_evaluated IS NULL AND arm != ''"""
_FLAGGED = """CASE WHEN ? THEN severity IS NOT NULL
    ELSE violated != '' AND EXISTS (
        SELECT 1 FROM json_each(?) WHERE instr(' ' || violated || ' ', ' ' || value || ' ') > 0) END"""
_COUNT = f"SELECT arm, {_FLAGGED}, count(*) {_FRAME} GROUP BY 1, 2"
_DRAW = f"SELECT id, time_us {_FRAME} AND arm = ? AND {_FLAGGED} = ? ORDER BY place(id), id LIMIT ?"


def population(connection: sqlite3.Connection, frame: Frame, principles: Sequence[str] = ()) -> dict[Stratum, int]:
    """How many exchanges each stratum has; those with none are left out.

    `principles`: those that the frame's principle stands for; empty: it is one, or ANY.
    """
    rows = connection.execute(_COUNT, (*_flagged(frame, principles), *_values(frame)))
    return {Stratum(arm, bool(flagged)): count for arm, flagged, count in rows}


def draw(
    connection: sqlite3.Connection, frame: Frame, size: int, seed: int, principles: Sequence[str] = ()
) -> tuple[dict[Stratum, int], list[Drawn]]:
    """The population, and `size` of it by stratum, in the order in which people are asked (see `in_turn`).
    `principles`: as for `population`.
    """
    sizes = population(connection, frame, principles)
    flag = _flagged(frame, principles)
    connection.create_function("place", 1, lambda identifier: place(seed, identifier), deterministic=True)
    drawn = {
        identifier: Drawn(identifier, time_us, stratum, count / sizes[stratum])
        for stratum, count in allocate(sizes, size).items()
        for identifier, time_us in connection.execute(
            _DRAW, (*_values(frame), stratum.arm, *flag, stratum.flagged, count)
        )
    }
    order = in_turn(seed, {identifier: one.stratum for identifier, one in drawn.items()})
    return sizes, [drawn[identifier] for identifier in order]


def _values(frame: Frame) -> tuple[object, ...]:
    return (frame.model, frame.since_us, frame.until_us)


def _flagged(frame: Frame, principles: Sequence[str]) -> tuple[bool, str]:
    return frame.principle == ANY, json.dumps([*principles] or [frame.principle])
