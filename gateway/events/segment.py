"""One SQLite file of a stream as its writer sees it: groups of events, and what their writer has consumed."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from gateway.events.codec import Group
from gateway.events.schema import Stream
from gateway.ports import LogFull

_FORMAT = 1
_PAGE_BYTES = 16_384
_CHECKPOINT_PAGES = 256
BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE groups (
    first INTEGER PRIMARY KEY, first_us INTEGER NOT NULL, count INTEGER NOT NULL,
    codec INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE consumed (
    stream TEXT, producer TEXT, position INTEGER NOT NULL,
    PRIMARY KEY (stream, producer)) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?)"
_CONSUME = "INSERT OR REPLACE INTO consumed VALUES (?, ?, ?)"
_LAST = "SELECT first + count, first_us + count - 1 FROM groups ORDER BY first DESC LIMIT 1"
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ROW_BYTES = 64


class SegmentDamaged(Exception):
    """The file is not what was written: torn, cut or overwritten by something else."""


class SegmentEmpty(Exception):
    """The file was made, but its writer died before the first transaction: it holds nothing."""


Placed = tuple[Group, int]
"""A group, and the canonical time of its first event; each further one's is a microsecond later."""
ConsumedTable = Mapping[tuple[Stream, str], int]
"""(stream, producer) of an input -> position."""


def damage(error: sqlite3.Error) -> bool:
    """True when SQLite says that the file's content is broken."""
    return primary_code(error) in _DAMAGE


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without what its extended code adds; 0 for an error of Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if damage(error):
            raise SegmentDamaged(f"{path}: {error}") from error
        if primary_code(error) in _NO_ROOM:
            raise LogFull(f"{path} cannot be written: {error}") from error
        raise
    except OSError as error:
        raise LogFull(f"{path} cannot be written: {error.strerror}") from error


class SegmentWriter:
    """The segment that a stream's writer appends to. Not for two threads at once."""

    def __init__(self, path: Path, first: int, database: sqlite3.Connection) -> None:
        self.path = path
        self.first = first
        self.end = first
        self.last_us = 0
        self.created_us = 0
        self.bytes = 0
        self.consumed: dict[tuple[Stream, str], int] = {}
        self._database = database
        self._has_tables = False

    @classmethod
    def create(cls, path: Path, first: int, created_us: int, consumed: ConsumedTable) -> Self:
        """A new file; its tables and `consumed` come with the first append. Raises LogFull."""
        with _explained(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            database = _connect(path)
            try:
                database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
                database.execute("PRAGMA journal_mode = WAL")
                _tune(database)
            except sqlite3.Error:
                database.close()
                raise
        segment = cls(path, first, database)
        segment.created_us = created_us
        segment.consumed.update(consumed)
        return segment

    @classmethod
    def open(cls, path: Path, first: int) -> Self:
        """Go on with an existing file, checked whole. Raises SegmentEmpty, SegmentDamaged, LogFull."""
        with _explained(path):
            database = _connect(path)
            try:
                segment = cls(path, first, database)
                segment._load()
                _tune(database)
            except (sqlite3.Error, SegmentEmpty, SegmentDamaged):
                database.close()
                raise
        return segment

    def append(self, groups: Sequence[Placed], consumed: ConsumedTable) -> None:
        """All of it, durably, or nothing. Raises LogFull, SegmentDamaged."""
        with _explained(self.path):
            try:
                self._transact(groups, consumed)
            except sqlite3.Error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self._has_tables = True
        self.consumed.update(consumed)
        for group, first_us in groups:
            self.end += group.count
            self.last_us = first_us + group.count - 1
            self.bytes += len(group.body) + _ROW_BYTES

    def _transact(self, groups: Sequence[Placed], consumed: ConsumedTable) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        if not self._has_tables:
            self._create_tables()
        first = self.end
        for group, first_us in groups:
            row = (first, first_us, group.count, group.codec, group.size, group.crc, group.body)
            database.execute(_INSERT, row)
            first += group.count
        if consumed:
            database.executemany(_CONSUME, _rows(consumed))
        database.execute("COMMIT")

    def _create_tables(self) -> None:
        for statement in _SCHEMA.split(";"):
            self._database.execute(statement)
        meta = {"format": _FORMAT, "created_us": self.created_us}
        self._database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self._database.executemany(_CONSUME, _rows(self.consumed))

    def _load(self) -> None:
        if not self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            raise SegmentEmpty(str(self.path))
        problems = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problems != "ok":
            raise SegmentDamaged(f"{self.path}: {problems}")
        meta = dict(self._database.execute("SELECT name, value FROM meta"))
        if meta["format"] != _FORMAT:
            raise SegmentDamaged(f"{self.path} has format {meta['format']}, this tipstaff writes {_FORMAT}")
        self.created_us = meta["created_us"]
        for stream, producer, position in self._database.execute("SELECT * FROM consumed"):
            self.consumed[stream, producer] = position
        self.end, self.last_us = self._database.execute(_LAST).fetchone() or (self.first, 0)
        self.bytes = self._database.execute("SELECT coalesce(sum(length(body)), 0) FROM groups").fetchone()[0]
        self._has_tables = True

    def close(self) -> None:
        """Check in what the WAL holds, and let go; a second call does nothing.

        Where that fails (disk full, a reader at work) the WAL stays beside the file and is read with it.
        """
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Every call is made under the log's own lock, from whichever thread.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )


def _tune(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def _rows(consumed: ConsumedTable) -> Iterator[tuple[str, str, int]]:
    return ((stream, producer, position) for (stream, producer), position in consumed.items())
