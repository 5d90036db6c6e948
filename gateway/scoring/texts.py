"""Redacted text, kept as long and as much as `retention` says, in segments that are unlinked as a whole.

A text lies in the segment of the hour that its exchange id carries, so it is found from the id alone, and
putting it a second time changes nothing. One process writes (each in a folder of its own), any may read.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import msgspec
import structlog

from classifiers.exchange import Answer, Exchange, Turn
from gateway.core.ids import id_time_us
from gateway.ports import Clock
from gateway.scoring.longer import DAY_US, Filed, LongerTexts, day_files

log = structlog.get_logger(__name__)

_HOUR_US = 3_600_000_000
_PARTS = 16
"""`max_bytes` is divided into this many segments, so that unlinking the oldest frees no more than one part."""
_SMALLEST_PART = 64 << 10
_SUFFIX = ".sqlite"
_COMPANIONS = ("", "-wal", "-shm")
_TABLE = """CREATE TABLE IF NOT EXISTS texts (
    id BLOB PRIMARY KEY, body BLOB NOT NULL, stratum TEXT NOT NULL DEFAULT '', flagged INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID"""
LONGER = "longer"
"""The folder, in a writer's, of texts that outlive the others."""
_WAIT_SECONDS = 1.0


class KeptText(msgspec.Struct, frozen=True):
    """What people may read of an exchange: redacted. `cut`: some of it was too long to be kept. `arm`: the assigned
    one; `flagged`: some principle was violated. Both decide how long it stays.
    """

    exchange_id: str
    model: str
    turns: tuple[Turn, ...]
    answers: tuple[Answer, ...]
    cut: bool = False
    arm: str = ""
    flagged: bool = False

    def exchange(self) -> Exchange:
        """As a classifier reads it again: redacted, and without what was cut."""
        return Exchange(self.exchange_id, self.turns, self.answers, self.model, self.cut)


class TextsUnwritable(Exception):
    """The text could not be kept, none of it for sure: the disk is full or the folder is gone."""


class KeptTexts:
    """The kept texts under `root`; `writer` names whoever puts them there, None for readers.

    A text that was put survives the death of the process; after a power cut the last ones may be missing.
    At most `max_bytes` are kept (and one batch more), for `days`; times are those of the exchange ids. `longer`:
    where some of them stay after that.
    """

    def __init__(
        self,
        root: Path,
        writer: str | None,
        clock: Clock,
        days: float,
        max_bytes: int,
        *,
        longer: LongerTexts | None = None,
    ) -> None:
        self._root = root
        self._folder = None if writer is None else root / writer
        self._clock = clock
        self._days = days
        self._max_bytes = max_bytes
        self._longer = longer
        self._part_bytes = max(max_bytes // _PARTS, _SMALLEST_PART)
        self._open: tuple[Path, sqlite3.Connection] | None = None

    def put(self, texts: Sequence[KeptText]) -> None:
        """Keep them; those that are there already stay as they are. Raises TextsUnwritable."""
        try:
            for hour, group in groupby(sorted(texts, key=_hour_of), key=_hour_of):
                self._put_hour(hour, list(group))
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise TextsUnwritable(f"{self._folder}: {error}") from error

    def get(self, exchange_id: str) -> KeptText | None:
        """The text of an exchange; None when it was never kept, or is not any more."""
        pattern = f"*/{_stem(id_time_us(exchange_id) // _HOUR_US)}-*{_SUFFIX}"
        for segment in sorted(self._root.glob(pattern)):
            if (body := _body(segment, exchange_id)) is not None:
                return _text(body)
        for day in sorted(day_files(self._root, LONGER, exchange_id)):
            if (body := _body(day, exchange_id)) is not None:
                return _text(body)
        return None

    def forget(self, exchange_ids: Sequence[str]) -> None:
        """Delete their texts, so that nothing of them is left on the disk. Raises TextsUnwritable."""
        try:
            for hour, group in groupby(sorted(exchange_ids), key=lambda each: id_time_us(each) // _HOUR_US):
                ids = [(bytes.fromhex(each),) for each in group]
                for segment in self._segments():
                    if _hour(segment) == hour:
                        self._forget(segment, ids)
            if self._longer is not None:
                self._longer.forget(exchange_ids)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise TextsUnwritable(f"{self._folder}: {error}") from error

    def _forget(self, segment: Path, ids: list[tuple[bytes]]) -> None:
        connection = self._connection(segment)
        with connection:
            connection.executemany("DELETE FROM texts WHERE id = ?", ids)
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("a reader holds up the log of the file: try again")

    def purge(self) -> int:
        """Unlink what is too old and, oldest first, what is too much; returns how many segments went. What stays
        longer is taken out first; where that cannot be, the segment waits, unless it is too much.
        """
        oldest_hour = (self._clock.now_us() - self._days * DAY_US) // _HOUR_US
        segments = self._segments()
        sizes = {segment: _size(segment) for segment in segments}
        over = sum(sizes.values()) - self._max_bytes + self._part_bytes
        gone = 0
        for segment in segments[:-1] if segments else ():
            if _hour(segment) >= oldest_hour and over <= 0:
                break
            if self._take_out(segment) or over > 0:
                over -= sizes[segment]
                gone += self._unlink(segment)
        if segments and _hour(segments[-1]) < oldest_hour and self._take_out(segments[-1]):
            gone += self._unlink(segments[-1])
        return gone + self._purge_longer()

    def _purge_longer(self) -> int:
        if self._longer is None:
            return 0
        try:
            return self._longer.purge()
        except (sqlite3.Error, OSError) as error:
            log.warning("old texts cannot be removed, trying again", error=str(error))
            return 0

    def _take_out(self, segment: Path) -> bool:
        """Whether what is to stay longer is out of it."""
        if self._longer is None:
            return True
        try:
            self._longer.take(list(_filed(segment)))
        except (sqlite3.Error, OSError) as error:
            log.warning("texts that are to stay cannot be kept", segment=str(segment), error=str(error))
            return False
        return True

    def close(self) -> None:
        """Let go of the segment that is written; a second call does nothing."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _put_hour(self, hour: int, texts: list[KeptText]) -> None:
        parts = [segment for segment in self._segments() if _hour(segment) == hour]
        known = {text.exchange_id for text in texts for part in parts[:-1] if _body(part, text.exchange_id)}
        if parts and _size(parts[-1]) >= self._part_bytes:
            known |= {text.exchange_id for text in texts if _body(parts[-1], text.exchange_id)}
            parts.append(self._part(hour, _number(parts[-1]) + 1))
            self.purge()
        connection = self._connection(parts[-1] if parts else self._part(hour, 0))
        rows = [_row(text) for text in texts if text.exchange_id not in known]
        with connection:
            connection.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)", rows)

    def _part(self, hour: int, number: int) -> Path:
        if self._folder is None:
            raise ValueError("these texts were opened to be read: name a writer to put some")
        return self._folder / f"{_stem(hour)}-{number:04d}{_SUFFIX}"

    def _connection(self, segment: Path) -> sqlite3.Connection:
        if self._open is not None and self._open[0] == segment and segment.exists():
            return self._open[1]
        self.close()
        segment.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        os.close(os.open(segment, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(segment, timeout=_WAIT_SECONDS)
        self._open = (segment, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 256")
        connection.execute(_TABLE)
        return connection

    def _segments(self) -> list[Path]:
        """Those of the writer, oldest first."""
        return sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder is not None else []

    def _unlink(self, segment: Path) -> int:
        if self._open is not None and self._open[0] == segment:
            self.close()
        for path in _files(segment):
            path.unlink(missing_ok=True)
        return 1


def _stem(hour: int) -> str:
    return f"{hour:010d}"


def _hour(segment: Path) -> int:
    return int(segment.name.partition("-")[0])


def _number(segment: Path) -> int:
    return int(segment.name.partition("-")[2].removesuffix(_SUFFIX))


def _hour_of(text: KeptText) -> int:
    return id_time_us(text.exchange_id) // _HOUR_US


def _files(segment: Path) -> Iterator[Path]:
    return (segment.with_name(segment.name + companion) for companion in _COMPANIONS)


def _size(segment: Path) -> int:
    total = 0
    for path in _files(segment):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # no companion, or the segment has just been unlinked
    return total


def _row(text: KeptText) -> tuple[bytes, bytes, str, bool]:
    body = zlib.compress(msgspec.msgpack.encode(text), 6)
    return bytes.fromhex(text.exchange_id), body, _stratum(text.model, text.arm), text.flagged


def _text(body: bytes) -> KeptText:
    return msgspec.msgpack.decode(zlib.decompress(body), type=KeptText)


def _stratum(model: str, arm: str) -> str:
    """What texts are sampled by, in one word."""
    return f"{model}\t{arm}"


def _filed(segment: Path) -> Iterator[Filed]:
    with closing(sqlite3.connect(f"{segment.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        for exchange_id, *others in connection.execute("SELECT id, body, stratum, flagged FROM texts ORDER BY id"):
            yield Filed(exchange_id.hex(), *others)


def _body(segment: Path, exchange_id: str) -> bytes | None:
    """One short transaction, so that a reader never holds the writer's log open."""
    try:
        connection = sqlite3.connect(f"{segment.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        try:
            row = connection.execute(
                "SELECT body FROM texts WHERE id = ?", (bytes.fromhex(exchange_id),)
            ).fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return None  # unlinked a moment ago, or made a moment ago and still without its table
    return None if row is None else bytes(row[0])
