"""One SQLite file of a stream as a reader sees it. No transaction outlives a call."""

import sqlite3
from pathlib import Path
from typing import Self

import msgspec

from gateway.events.codec import Group
from gateway.events.segment import BUSY_SECONDS, SegmentDamaged, SegmentEmpty, damage, primary_code

_HAS_TABLES = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
_GROUPS = """
SELECT first, first_us, count, codec, size, crc, body FROM groups WHERE first >= coalesce(
    (SELECT first FROM (SELECT first, count FROM groups WHERE first <= ?1 ORDER BY first DESC LIMIT 1)
     WHERE first + count > ?1), ?1)
ORDER BY first
"""
_NOT_THERE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})


class SegmentGone(Exception):
    """It was unlinked."""


class SegmentBlocked(Exception):
    """It is there, but cannot be read now: a full disk has no room for what SQLite shares among readers."""


class Row(msgspec.Struct, frozen=True):
    """A group with the sequence and the canonical time of its first event."""

    first: int
    first_us: int
    group: Group

    @property
    def end(self) -> int:
        """The sequence after its last event."""
        return self.first + self.group.count


class Page(msgspec.Struct, frozen=True):
    """Some rows in order; `last`: the segment holds no more. `bytes` counts them unpacked."""

    rows: list[Row]
    last: bool
    bytes: int


class SegmentReader:
    """A read-only connection. Raises SegmentGone, SegmentBlocked, SegmentDamaged wherever it touches the file."""

    def __init__(self, path: Path, first: int, identity: tuple[int, int], database: sqlite3.Connection) -> None:
        self.first = first
        self._path = path
        self._identity = identity
        self._database = database

    @classmethod
    def open(cls, path: Path, first: int, *, closed: bool) -> Self:
        """Also raises SegmentEmpty when nothing was committed to it yet. `closed`: a newer one exists."""
        identity = _identity(path)
        try:
            database = sqlite3.connect(
                reading_uri(path, closed=closed),
                uri=True,
                isolation_level=None,
                timeout=BUSY_SECONDS,
                check_same_thread=False,  # every call is made under the log's own lock
            )
        except sqlite3.Error as error:
            raise _explained(error, path) from error
        try:
            has_tables = database.execute(_HAS_TABLES).fetchone()
        except sqlite3.Error as error:
            database.close()
            raise _explained(error, path) from error
        if not has_tables:
            database.close()
            raise SegmentEmpty(str(path))
        return cls(path, first, identity, database)

    def current(self) -> bool:
        """False when the path names another file by now, or none."""
        try:
            return _identity(self._path) == self._identity
        except SegmentGone:
            return False

    def page(self, position: int, events: int, size: int) -> Page:
        """Groups from the one that holds `position` on, until there are `events` in them or `size` bytes."""
        rows: list[Row] = []
        taken = 0
        try:
            cursor = self._database.execute(_GROUPS, (position,))
            try:
                for first, first_us, *group in cursor:
                    row = Row(first, first_us, Group(*group))
                    rows.append(row)
                    taken += row.group.size
                    if row.end - position >= events or taken >= size:
                        return Page(rows, last=False, bytes=taken)
            finally:
                cursor.close()
        except sqlite3.Error as error:
            raise _explained(error, self._path) from error
        return Page(rows, last=True, bytes=taken)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._database.close()


def reading_uri(path: Path, *, closed: bool) -> str:
    """Nobody writes to a closed segment: with its WAL checked in it needs neither locks nor shared memory."""
    wal = path.with_name(path.name + "-wal")
    still = closed and not (wal.exists() and wal.stat().st_size)
    return f"{path.absolute().as_uri()}?{'immutable=1' if still else 'mode=ro'}"


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise SegmentGone(str(path)) from None
    return found.st_dev, found.st_ino


def _explained(error: sqlite3.Error, path: Path) -> Exception:
    if damage(error):
        return SegmentDamaged(f"{path}: {error}")
    if primary_code(error) in _NOT_THERE:
        return SegmentBlocked(f"{path}: {error}") if path.exists() else SegmentGone(str(path))
    return error
