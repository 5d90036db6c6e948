"""What each format of the data folder changed, as steps of a migration (`gateway.migration`)."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from gateway.layout import DataFolder

_COLUMNS = (("stratum", "TEXT NOT NULL DEFAULT ''"), ("flagged", "INTEGER NOT NULL DEFAULT 0"))
_FILL = """UPDATE texts SET (stratum, flagged) = (
        SELECT e.model || char(9) || e.arm, e.severity IS NOT NULL FROM listed.exchanges e WHERE e.id =
    lower(hex(texts.id))) WHERE lower(hex(id)) IN (SELECT id FROM listed.exchanges)"""


def texts_know_their_stratum(data: DataFolder) -> None:
    """1 to 2: beside a kept text stands what decides how long it stays; the list of exchanges knows it of those
    that were kept before. Raises sqlite3.Error.
    """
    for segment in sorted(data.texts.glob("*/*.sqlite")):
        _widen(segment, data.index)


def _widen(segment: Path, index: Path) -> None:
    with closing(sqlite3.connect(segment, isolation_level=None)) as connection:
        there = {row[1] for row in connection.execute("PRAGMA table_info(texts)")}
        if not there:
            return  # made a moment before its writer died: it has no table yet
        for name, kind in _COLUMNS:
            if name not in there:
                connection.execute(f"ALTER TABLE texts ADD COLUMN {name} {kind}")
        if index.exists():
            connection.execute("ATTACH ? AS listed", (str(index),))
            if connection.execute("SELECT 1 FROM listed.sqlite_master WHERE name = 'exchanges'").fetchone():
                connection.execute(_FILL)
        connection.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")


STEPS: Mapping[int, Callable[[DataFolder], None]] = MappingProxyType({1: texts_know_their_stratum})
"""By the format that a step begins with."""
