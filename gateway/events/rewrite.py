"""Changes events that were written long ago, for the one reason there is: a person who is to be forgotten.

A closed segment is made anew beside itself and put in its own place, so that whoever reads it has the old file or
the new one. Sequences, canonical times and positions stay, and so does the number of events.
"""

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from gateway.atomicfile import sync
from gateway.events import codec
from gateway.events.folder import PART
from gateway.events.schema import Event
from gateway.events.segment import BUSY_SECONDS

Change = Callable[[Event], Event]
"""The event in another's place; the same where it stays."""


class SegmentBusy(Exception):
    """Somebody reads it in its old form just now: try again."""


def rewrite(path: Path, needles: Sequence[bytes], change: Change) -> int:
    """Put `change` of each event of a closed segment in its place, where its bytes hold one of `needles`.

    Returns how many have become others. What is damaged stays so, but without its bytes. Whoever dies on the way
    leaves the old segment. Raises SegmentBusy, sqlite3.Error, OSError.
    """
    with closing(_connect(path)) as old:
        found = old.execute("SELECT first, codec, size, crc, body, count FROM groups ORDER BY first")
        changed: dict[int, codec.Group] = {}
        count = 0
        for first, kind, size, crc, body, events in found:
            group = codec.Group(events, kind, size, crc, body)
            try:
                others, after = codec.changed(group, needles, change)
            except codec.Damaged:
                others, after = 0, _emptied(group)  # nobody can read it, and nobody can say what is in it
            if after is not group:
                changed[first] = after
            count += others
        if changed:
            _replace(path, old, changed)
    return count


def _replace(path: Path, old: sqlite3.Connection, changed: dict[int, codec.Group]) -> None:
    busy, _, _ = old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:  # what is left in the log beside it would be taken for the new file's
        raise SegmentBusy(str(path))
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    old.execute("VACUUM INTO ?", (str(part),))  # live rows only: nothing that was deleted comes along
    part.chmod(0o600)
    with closing(_connect(part)) as new:
        new.execute("PRAGMA secure_delete = ON")
        new.execute("PRAGMA journal_mode = DELETE")
        new.execute("BEGIN IMMEDIATE")
        values = [(each.codec, each.size, each.crc, each.body, first) for first, each in changed.items()]
        new.executemany("UPDATE groups SET codec = ?, size = ?, crc = ?, body = ? WHERE first = ?", values)
        new.execute("COMMIT")
        new.execute("PRAGMA journal_mode = WAL")
    sync(part)
    part.replace(path)
    sync(path.parent)


def _emptied(group: codec.Group) -> codec.Group:
    """As damaged as it was: its checksum does not fit what is there."""
    return codec.Group(group.count, codec.PLAIN, 0, zlib.crc32(b"") + 1, b"")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, BUSY_SECONDS, isolation_level=None)
