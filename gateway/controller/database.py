"""How the controller's SQLite files are opened."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.datafolder import DataFolderError

BUSY_SECONDS = 10.0
"""How long a statement waits for a lock before it raises sqlite3.OperationalError."""


_LITTLE_BYTES = 1 << 20
"""With less than that left a disk is full: SQLite needs some for its log."""


class FormatError(DataFolderError):
    """A file that a newer tipstaff wrote."""


class StorageUnusable(OSError):
    """A file cannot be opened now, which may pass; the message names it and the probable reason."""


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Around whatever opens the database at `path`: raises StorageUnusable for what may pass."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageUnusable(f"{path} cannot be used: {error} ({_reason(path, error)})") from error
    except OSError as error:
        if isinstance(error, StorageUnusable):
            raise
        raise StorageUnusable(f"{error.filename or path} cannot be used: {error.strerror or error}") from error


def _reason(path: Path, error: sqlite3.Error) -> str:
    """In words: SQLite says "disk I/O error" also of a disk that is full."""
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return "another process holds it"
    try:
        room = os.statvfs(path.parent)
    except OSError as gone:
        return f"its folder: {gone.strerror}"
    free = room.f_bavail * room.f_frsize
    if free < _LITTLE_BYTES or not room.f_favail:
        return f"the disk is full: {free} bytes are free"
    return "is a quota reached, is the disk read-only or broken?"


def open_database(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """A connection in WAL mode, every commit on disk before it returns; the file is made when it is missing.

    Transactions are begun and ended by hand, and the connection may change threads: its owner holds a lock.
    Raises FormatError when the file has another version than `version`, StorageUnusable, sqlite3.DatabaseError.
    """
    with opening(path):
        return _opened(path, schema, version)


def _opened(path: Path, schema: str, version: int) -> sqlite3.Connection:
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
