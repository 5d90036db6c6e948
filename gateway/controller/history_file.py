"""What only the pages remember, in a file of its own: how evidence grew, and when something was lost.

Nothing decides on it and it holds nothing of persons. When it is lost, charts begin anew with what decisions carry.
"""

from pathlib import Path

from gateway.controller.sqlite_file import SqliteFile
from gateway.ports import Clock

VERSION = 1
SCHEMA = """
CREATE TABLE rollouts (rollout TEXT PRIMARY KEY, interval_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE points (
    rollout TEXT, time_us INTEGER, body BLOB NOT NULL, PRIMARY KEY (rollout, time_us)
) WITHOUT ROWID;
CREATE TABLE dropped (
    stream TEXT, reason TEXT, time_us INTEGER, count INTEGER NOT NULL, PRIMARY KEY (stream, reason, time_us)
) WITHOUT ROWID
"""


def open_history(path: Path, clock: Clock) -> SqliteFile:
    """Open or make it. Raises FormatError, StorageUnusable."""
    return SqliteFile.open_remakeable(path, SCHEMA, VERSION, clock)
