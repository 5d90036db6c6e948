"""Texts that outlive the others: what was flagged or labelled, and a sample of each day of the rest.

A day's file holds them. Of the rest at most `sample` stay once the day is over, drawn without replacement and
stratified by model and arm (`gateway.curation.sampling`): whoever looks back after a month sees what was usual,
too, and not only what was wrong.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path

import msgspec

from gateway.core.ids import id_time_us
from gateway.curation.sampling import Stratum, allocate, place
from gateway.ports import Clock

DAY_US = 86_400_000_000
_SUFFIX = ".sqlite"
_WAIT_SECONDS = 1.0
_TABLE = """CREATE TABLE IF NOT EXISTS texts (
    id BLOB PRIMARY KEY, body BLOB NOT NULL, stratum TEXT NOT NULL, whole INTEGER NOT NULL, place INTEGER NOT NULL
) WITHOUT ROWID"""
_ADD = "INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?, ?)"
_COUNT = "SELECT stratum, count(*) FROM texts WHERE NOT whole GROUP BY stratum"
_CUT = """DELETE FROM texts WHERE stratum = ?1 AND NOT whole AND id NOT IN (
    SELECT id FROM texts WHERE stratum = ?1 AND NOT whole ORDER BY place, id LIMIT ?2)"""

Labelled = Callable[[Sequence[str]], set[str]]
"""Those of these exchanges that somebody has labelled. Raises sqlite3.Error."""


class Filed(msgspec.Struct, frozen=True):
    """A text as it lies in a segment. `stratum`: model and arm."""

    exchange_id: str
    body: bytes
    stratum: str
    flagged: bool


class LongerTexts:
    """The files of one writer, under `folder`, for `days` and at most `max_bytes`: the oldest day goes first.

    `usual_days`: how long the others stay.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        usual_days: float,
        days: float,
        max_bytes: int,
        sample: int,
        labelled: Labelled,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._usual_days = usual_days
        self._days = days
        self._settled: set[int] = set()
        self._max_bytes = max_bytes
        self._sample = sample
        self._labelled = labelled

    def take(self, texts: Sequence[Filed]) -> None:
        """Keep what is to be kept of a segment that goes; what was taken before changes nothing.

        Raises sqlite3.Error, OSError.
        """
        for day, group in groupby(texts, key=lambda text: id_time_us(text.exchange_id) // DAY_US):
            if day > self._oldest_day():
                self._take_day(day, list(group))

    def _take_day(self, day: int, texts: list[Filed]) -> None:
        labelled = self._labelled([text.exchange_id for text in texts])
        rows = [
            (
                bytes.fromhex(text.exchange_id),
                text.body,
                text.stratum,
                text.flagged or text.exchange_id in labelled,
                place(day, text.exchange_id),
            )
            for text in texts
        ]
        with self._writing(day) as connection:
            connection.executemany(_ADD, rows)
            for stratum in {text.stratum for text in texts}:
                connection.execute(_CUT, (stratum, self._sample))  # more of it stays in no case
        self._settled.discard(day)

    def _settle(self, day: int) -> None:
        """Cut each stratum to its share. A day that is cut already stays as it is."""
        with self._writing(day) as connection:
            there = {Stratum(stratum, flagged=False): count for stratum, count in connection.execute(_COUNT)}
            for stratum, count in allocate(there, self._sample).items():
                connection.execute(_CUT, (stratum.arm, count))
        self._settled.add(day)

    def forget(self, exchange_ids: Iterable[str]) -> None:
        """Delete their texts, so that nothing of them is left on the disk. Raises sqlite3.Error, OSError."""
        for day, group in groupby(sorted(exchange_ids), key=lambda each: id_time_us(each) // DAY_US):
            if self._path(day).exists():
                ids = [(bytes.fromhex(each),) for each in group]
                with self._writing(day) as connection:
                    connection.executemany("DELETE FROM texts WHERE id = ?", ids)

    def purge(self) -> int:
        """Unlink the days that are too old, and, oldest first, what is too much; returns how many went. Cut to
        their sample those that are over. Raises sqlite3.Error, OSError.
        """
        days = sorted(self._folder.glob(f"*{_SUFFIX}"))
        sizes = {path: path.stat().st_size for path in days}
        over = sum(sizes.values()) - self._max_bytes
        gone = 0
        for path in days:
            if int(path.stem) > self._oldest_day() and over <= 0:
                break
            over -= sizes[path]
            path.unlink()
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            gone += 1
        for path in days[gone:]:
            if int(path.stem) not in self._settled and int(path.stem) <= self._newest_over():
                self._settle(int(path.stem))
        return gone

    def _newest_over(self) -> float:
        """Of a day up to that one no segment is to come any more."""
        return self._clock.now_us() / DAY_US - self._usual_days - 1.5

    def _oldest_day(self) -> float:
        """Whole days from before then have had their time."""
        return (self._clock.now_us() - self._days * DAY_US) / DAY_US - 1

    @contextmanager
    def _writing(self, day: int) -> Iterator[sqlite3.Connection]:
        """One transaction. No log beside the file: it is seldom written, and what is deleted must be gone."""
        path = self._path(day)
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path, _WAIT_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            yield connection
            connection.execute("COMMIT")

    def _path(self, day: int) -> Path:
        return self._folder / f"{day:08d}{_SUFFIX}"


def day_files(root: Path, folder: str, exchange_id: str) -> Iterator[Path]:
    """Where the text of an exchange may lie, of every writer under `root`."""
    return root.glob(f"*/{folder}/{id_time_us(exchange_id) // DAY_US:08d}{_SUFFIX}")
