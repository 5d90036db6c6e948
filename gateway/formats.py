"""What each format of the data folder changed, as steps of a migration (`gateway.migration`)."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import structlog

from gateway.layout import DataFolder

log = structlog.get_logger(__name__)

_COLUMNS = (("stratum", "TEXT NOT NULL DEFAULT ''"), ("flagged", "INTEGER NOT NULL DEFAULT 0"))
_FILL = """
UPDATE texts SET (stratum, flagged) = (
    SELECT e.model || char(9) || e.arm, e.severity IS NOT NULL
    FROM listed.exchanges e WHERE e.id = lower(hex(texts.id)))
WHERE lower(hex(id)) IN (SELECT id FROM listed.exchanges)
"""


def texts_know_their_stratum(data: DataFolder) -> None:
    """1 to 2: beside a kept text stands what decides how long it stays; the list of exchanges knows it of those
    that were kept before. Raises sqlite3.Error.
    """
    for segment in sorted(data.texts.glob("*/*.sqlite")):
        try:
            _widen(segment)
            _fill(segment, data.index)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:  # no database: whoever reads it finds that, as before
            log.warning("passed over", segment=str(segment), error=str(error))


def _widen(segment: Path) -> None:
    with closing(sqlite3.connect(segment, isolation_level=None)) as connection:
        there = {row[1] for row in connection.execute("PRAGMA table_info(texts)")}
        for name, kind in _COLUMNS if there else ():  # none: made a moment before its writer died
            if name not in there:
                connection.execute(f"ALTER TABLE texts ADD COLUMN {name} {kind}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill(segment: Path, index: Path) -> None:
    """By a list that can be read; it can be made anew, so nothing rests on it."""
    if not index.exists():
        return
    with closing(sqlite3.connect(segment, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS listed", (str(index),))
        tables = "SELECT count(*) FROM {}.sqlite_master WHERE name = '{}'"
        for place in (("listed", "exchanges"), ("main", "texts")):
            if not connection.execute(tables.format(*place)).fetchone()[0]:
                return
        connection.execute(_FILL)
        connection.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")


STEPS: Mapping[int, Callable[[DataFolder], None]] = MappingProxyType({1: texts_know_their_stratum})
"""By the format that a step begins with."""
