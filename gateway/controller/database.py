"""How the controller's SQLite files are opened."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from gateway.controller.kept_copy import keep_copy
from gateway.processlock import DataFolderError

log = structlog.get_logger(__name__)

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


def open_database(
    path: Path,
    schema: str,
    version: int,
    migrations: Mapping[int, str] | None = None,
    *,
    copied: bool = True,
) -> sqlite3.Connection:
    """A connection in WAL mode, every commit on disk before it returns; the file is made when it is missing.

    `migrations`: statements that make the format after it of a format. A file of an older one is copied to
    `<name>.v<its format>` beside it, unless `copied` is False, then migrated, in one transaction, while nobody else
    can write to it. Statements are separated by semicolons and hold none.

    Transactions are begun and ended by hand, and the connection may change threads: its owner holds a lock.
    Raises FormatError for a newer format, or an older one without migrations; StorageUnusable;
    sqlite3.DatabaseError.
    """
    with opening(path):
        return _opened(path, schema, version, migrations or {}, copied=copied)


def _opened(
    path: Path, schema: str, version: int, migrations: Mapping[int, str], *, copied: bool
) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted must not be read off the disk afterwards
        if _format(connection) != version:
            _make(connection, path, schema, version, migrations, copied=copied)
    except BaseException:
        connection.close()
        raise
    return connection


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make(
    connection: sqlite3.Connection,
    path: Path,
    schema: str,
    version: int,
    migrations: Mapping[int, str],
    *,
    copied: bool,
) -> None:
    """Make the tables, or migrate those there are. What fails in the middle is undone when `connection` closes."""
    connection.execute("BEGIN IMMEDIATE")
    found = _format(connection)  # again: another process may have been quicker
    missing = range(found, version)
    if found and not (found <= version and all(step in migrations for step in missing)):
        raise FormatError(f"{path} has format {found}, this tipstaff reads {version}: run the one that wrote it")
    if found and missing:
        kept = str(keep_copy(path, f"{path.name}.v{found}")) if copied else ""
        log.info("migrating", file=str(path), found=found, to=version, copy=kept)
    for script in [migrations[step] for step in missing] if found else [schema]:
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[sqlite3.Connection]:
    """All or nothing, begun as `kind`: DEFERRED to look, IMMEDIATE to write. Raises sqlite3.Error."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def give_back_pages(connection: sqlite3.Connection, most: int) -> None:
    """Cut at most `most` unused pages off the file, in a transaction of its own."""
    # a script runs to its end, where execute and fetchall leave this pragma after its first page
    connection.executescript(f"PRAGMA incremental_vacuum({most})")


def empty_log(connection: sqlite3.Connection) -> bool:
    """Take what the file's log holds into the file and cut it, so that nothing of earlier pages stays on the disk.

    False, at once, while a reader holds that up.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
    return not busy


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for one short look at a file that another connection writes."""
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection
