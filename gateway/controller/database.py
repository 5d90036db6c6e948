"""How the controller's SQLite files are opened."""

import sqlite3
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a statement waits for a lock before it raises sqlite3.OperationalError."""


class FormatError(Exception):
    """A file that a newer tipstaff wrote."""


def open_database(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """A connection in WAL mode, every commit on disk before it returns; the file is made when it is missing.

    Transactions are begun and ended by hand, and the connection may change threads: its owner holds a lock.
    Raises FormatError when the file has another version than `version`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _apply(connection, path, schema, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _apply(connection: sqlite3.Connection, path: Path, schema: str, version: int) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == version:
        return
    if found != 0:
        raise FormatError(f"{path} has format {found}, this tipstaff reads {version}: run the one that wrote it")
    connection.executescript(f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version = {version}; COMMIT")


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for one short look at a file that another connection writes."""
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection
