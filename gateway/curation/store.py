"""The labels and the samples there are, in a file of their own. Nothing is overwritten: the last word of an actor
on an exchange and a principle holds, and those before it stay as history.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import msgspec

from gateway.controller.sqlite_file import SqliteFile
from gateway.curation.labels import Label, Said, StratumCounts, count
from gateway.curation.sampling import Drawn, Frame, Stratum, in_turn
from gateway.ports import Clock

VERSION = 1
SCHEMA = """
CREATE TABLE draws (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, principle TEXT NOT NULL,
    since_us INTEGER NOT NULL, until_us INTEGER NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL,
    actor TEXT NOT NULL, time_us INTEGER NOT NULL
);
CREATE TABLE strata (
    draw TEXT NOT NULL, arm TEXT NOT NULL, flagged INTEGER NOT NULL, population INTEGER NOT NULL,
    PRIMARY KEY (draw, arm, flagged)
) WITHOUT ROWID;
CREATE TABLE drawn (
    draw TEXT NOT NULL, exchange_id TEXT NOT NULL, arm TEXT NOT NULL, flagged INTEGER NOT NULL,
    probability REAL NOT NULL, PRIMARY KEY (draw, exchange_id)
) WITHOUT ROWID;
CREATE INDEX drawn_exchange ON drawn (exchange_id);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY, model TEXT NOT NULL, exchange_id TEXT NOT NULL, principle TEXT NOT NULL,
    violates INTEGER NOT NULL, note TEXT NOT NULL, actor TEXT NOT NULL, time_us INTEGER NOT NULL,
    exchange_us INTEGER NOT NULL, arm TEXT NOT NULL, flagged INTEGER NOT NULL, draw TEXT, probability REAL
);
CREATE INDEX by_exchange ON labels (exchange_id, principle, actor, number);
CREATE INDEX by_model ON labels (model, number);
CREATE INDEX by_time ON labels (time_us)
"""
_LABEL = """model, exchange_id, principle, violates, note, actor, time_us, exchange_us, arm, flagged,
    draw, probability"""
_ADD = f"INSERT INTO labels ({_LABEL}) VALUES ({', '.join('?' * 12)})"  # noqa: S608 - our own text
_LIST = f"SELECT number, {_LABEL} FROM labels WHERE model = ? AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
_NEWEST = """SELECT id, model, principle, since_us, until_us, size, seed, actor, time_us FROM draws
    WHERE model = ? AND principle = ? AND (? IS NULL OR id = ?) ORDER BY number DESC LIMIT 1"""
_HELD = """SELECT draw, probability FROM drawn JOIN draws ON id = draw
    WHERE exchange_id = ? AND model = ? AND principle = ? ORDER BY number DESC LIMIT 1"""
_LAST = """NOT EXISTS (
    SELECT 1 FROM labels n INDEXED BY by_exchange WHERE n.exchange_id = l.exchange_id
    AND n.principle = l.principle AND n.actor = l.actor AND n.model = l.model AND n.number > l.number)"""
_VOTES = f"""SELECT exchange_id, violates FROM labels l JOIN drawn d USING (exchange_id)
    WHERE d.draw = ? AND l.model = ? AND l.principle = ? AND {_LAST}"""  # noqa: S608 - our own text
_WORDS = f"""SELECT {_LABEL} FROM labels l INDEXED BY by_exchange
    WHERE exchange_id IN (SELECT value FROM json_each(?)) AND {_LAST} ORDER BY number"""  # noqa: S608 - our own text
_JUDGED = """SELECT d.exchange_id, d.arm, d.flagged, EXISTS (
    SELECT 1 FROM labels l INDEXED BY by_exchange WHERE l.exchange_id = d.exchange_id AND l.principle = ?
    AND l.actor = ? AND l.model = ?) FROM drawn d WHERE d.draw = ?"""
_FORGET = "UPDATE labels SET note = '' WHERE exchange_id = ? AND note != ''"
_MARK = """SELECT count(*), coalesce(max(number), 0), coalesce(
    (SELECT time_us FROM labels WHERE model = ?1 ORDER BY number DESC LIMIT 1), 0) FROM labels WHERE model = ?1"""
_NUMBERS = "SELECT (SELECT max(number) FROM labels), (SELECT max(number) FROM draws)"
_SPEAKING = f"""SELECT exchange_id, violates FROM labels l INDEXED BY by_model
    WHERE model = ? AND principle = ? AND exchange_us > ? AND {_LAST} AND EXISTS (
        SELECT 1 FROM labels d INDEXED BY by_exchange WHERE d.exchange_id = l.exchange_id
        AND d.principle = l.principle AND d.model = l.model AND d.draw IS NOT NULL)"""  # noqa: S608 - our own text


_AGREEMENT = f"""SELECT principle, flagged, lean > 0, count(*) FROM (
    SELECT principle, max(flagged) AS flagged, 2 * sum(violates) - count(*) AS lean FROM labels l
    WHERE {_LAST} GROUP BY model, principle, exchange_id
) WHERE lean != 0 GROUP BY 1, 2, 3"""  # noqa: S608 - our own text
_DISAGREED = f"""SELECT exchange_id, max(exchange_us) FROM labels l
    WHERE violates != flagged AND (?1 IS NULL OR model = ?1) AND {_LAST}
    GROUP BY exchange_id ORDER BY 2 DESC, 1 DESC LIMIT ?2"""  # noqa: S608 - our own text


class Draw(msgspec.Struct, frozen=True):
    """A sample that was drawn: by whom and when, of what, how many at most and with which seed."""

    id: str
    frame: Frame
    size: int
    seed: int
    actor: str
    time_us: int


class Agreement(msgspec.Struct, frozen=True):
    """Exchanges that were labelled by a principle, each with what most people say, their last words; those of which
    as many say yes as no are left out. `missed`: a violation that was not flagged; `false_alarms`: the reverse.
    """

    principle: str
    labelled: int
    agreed: int
    missed: int
    false_alarms: int


class LabelStore:
    """See the module. One process writes; its methods may be called from any thread. Raise sqlite3.Error."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Self:
        """Open or make it. Raises FormatError, StorageUnusable, sqlite3.DatabaseError."""
        return cls(SqliteFile.open(path, SCHEMA, VERSION, clock))

    def keep(self, draw: Draw, populations: dict[Stratum, int], drawn: Sequence[Drawn]) -> None:
        """Keep a sample; one that is there already, by its id, is passed over."""
        with self._file.transaction() as connection:
            frame, others = draw.frame, (draw.size, draw.seed, draw.actor, draw.time_us)
            values = (draw.id, frame.model, frame.principle, frame.since_us, frame.until_us, *others)
            connection.execute("INSERT OR IGNORE INTO draws VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            strata = ((draw.id, at.arm, at.flagged, number) for at, number in populations.items())
            connection.executemany("INSERT OR IGNORE INTO strata VALUES (?, ?, ?, ?)", strata)
            rows = (
                (draw.id, one.exchange_id, one.stratum.arm, one.stratum.flagged, one.probability) for one in drawn
            )
            connection.executemany("INSERT OR IGNORE INTO drawn VALUES (?, ?, ?, ?, ?)", rows)

    def draw(self, model: str, principle: str, identifier: str | None = None) -> Draw | None:
        """That sample, by default the newest; None when there is none."""
        rows = self._file.query(_NEWEST, (model, principle, identifier, identifier))
        return None if not rows else Draw(rows[0][0], Frame(*rows[0][1:5]), *rows[0][5:])

    def add(self, labels: Iterable[Label]) -> None:
        """Keep all of them or none, each with the newest sample that holds its exchange."""
        with self._file.transaction() as connection:
            for label in labels:
                said = label.said
                held = connection.execute(_HELD, (said.exchange_id, label.model, said.principle)).fetchone()
                connection.execute(_ADD, _values(label, *(held or (None, None))))

    def labels(self, model: str, after: int, limit: int) -> list[tuple[int, Label]]:
        """(number, label), oldest first, the history too, with numbers above `after`."""
        return [(row[0], _label(row[1:])) for row in self._file.query(_LIST, (model, after, limit))]

    def summary(self, draw: Draw) -> tuple[StratumCounts, ...]:
        """What is known of each stratum of a sample by now."""
        with self._file.looking() as connection:
            strata = connection.execute("SELECT arm, flagged, population FROM strata WHERE draw = ?", (draw.id,))
            populations = {Stratum(arm, bool(flagged)): number for arm, flagged, number in strata}
            rows = connection.execute("SELECT exchange_id, arm, flagged FROM drawn WHERE draw = ?", (draw.id,))
            drawn = {identifier: Stratum(arm, bool(flagged)) for identifier, arm, flagged in rows}
            votes = connection.execute(_VOTES, (draw.id, draw.frame.model, draw.frame.principle))
            return count(populations, drawn, ((identifier, bool(violates)) for identifier, violates in votes))

    def queue(self, draw: Draw, actor: str) -> tuple[int, list[str]]:
        """How many exchanges a sample has, and those that `actor` has not judged, in its random order."""
        frame = draw.frame
        rows = self._file.query(_JUDGED, (frame.principle, actor, frame.model, draw.id))
        strata = {exchange_id: Stratum(arm, bool(flagged)) for exchange_id, arm, flagged, _ in rows}
        judged = {row[0] for row in rows if row[3]}
        return len(rows), [each for each in in_turn(draw.seed, strata) if each not in judged]

    def mark(self, model: str) -> tuple[int, ...]:
        """Another one whenever a model's labels are others than before."""
        return self._file.query(_MARK, (model,))[0]

    def newest(self) -> tuple[int, int]:
        """Another one whenever labels or samples of any model have come since. Cheap."""
        labels, draws = self._file.query(_NUMBERS)[0]
        return labels or 0, draws or 0

    def words(self, exchange_ids: Sequence[str]) -> dict[str, list[Label]]:
        """What people say of those of which they say anything, each actor's last word on each principle, oldest
        first.
        """
        found: dict[str, list[Label]] = defaultdict(list)
        for row in self._file.query(_WORDS, (json.dumps(list(exchange_ids)),)):
            label = _label(row)
            found[label.said.exchange_id].append(label)
        return dict(found)

    def votes(self, model: str, principle: str, after_us: int) -> dict[str, list[bool]]:
        """What people say of exchanges later than that which a sample held when they spoke: by exchange, each
        actor's last word.
        """
        found: dict[str, list[bool]] = defaultdict(list)
        for exchange_id, violates in self._file.query(_SPEAKING, (model, principle, after_us)):
            found[exchange_id].append(bool(violates))
        return dict(found)

    def agreement(self) -> list[Agreement]:
        """Of every principle that people have labelled by: whether they say what the classifiers did."""
        found: dict[str, Counter[tuple[bool, bool]]] = defaultdict(Counter)
        for principle, flagged, violates, number in self._file.query(_AGREEMENT):
            found[principle][bool(flagged), bool(violates)] = number
        return [
            Agreement(
                principle=principle,
                labelled=counts.total(),
                agreed=counts[True, True] + counts[False, False],
                missed=counts[False, True],
                false_alarms=counts[True, False],
            )
            for principle, counts in sorted(found.items())
        ]

    def disagreed(self, model: str | None, limit: int) -> list[str]:
        """Exchanges, of `model` or of all, of which somebody's last word is another than the classifiers' at that
        time, the newest first.
        """
        return [exchange_id for exchange_id, _ in self._file.query(_DISAGREED, (model, limit))]

    def forget(self, exchange_ids: Iterable[str]) -> None:
        """What people wrote of these exchanges goes; what they decided stays."""
        with self._file.transaction() as connection:
            connection.executemany(_FORGET, ((each,) for each in exchange_ids))

    def scrub(self) -> bool:
        """Nothing of what was replaced or deleted is left on the disk; False: a reader holds it up."""
        return self._file.scrub()

    def purge(self, before_us: int) -> int:
        """Forget labels and samples from before then; returns how many rows it forgot."""
        with self._file.transaction() as connection:
            gone = connection.execute("DELETE FROM labels WHERE time_us < ?", (before_us,)).rowcount
            old = "(SELECT id FROM draws WHERE time_us < ?)"
            for table in ("drawn", "strata"):
                gone += connection.execute(f"DELETE FROM {table} WHERE draw IN {old}", (before_us,)).rowcount  # noqa: S608
            connection.execute("DELETE FROM draws WHERE time_us < ?", (before_us,))
        return gone

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._file.close()


def labelled(path: Path, exchange_ids: Sequence[str]) -> set[str]:
    """Those of these exchanges that somebody has labelled, by the file at `path`, which another process writes.

    Raises sqlite3.Error.
    """
    if not path.exists():
        return set()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT DISTINCT exchange_id FROM labels WHERE exchange_id IN (SELECT value FROM json_each(?))"
        return {found for (found,) in connection.execute(query, (json.dumps(list(exchange_ids)),))}


def draw_id(frame: Frame, size: int, seed: int, drawn: Sequence[Drawn]) -> str:
    """32 hex digits that stand for this sample: who draws the same again gets the same."""
    content = msgspec.json.encode([frame, size, seed, drawn])
    return blake2b(content, digest_size=16).hexdigest()


def _values(label: Label, draw: str | None, probability: float | None) -> tuple[object, ...]:
    said, at = label.said, label.stratum
    judgement = (label.model, said.exchange_id, said.principle, said.violates, said.note)
    return (*judgement, label.actor, label.time_us, label.exchange_us, at.arm, at.flagged, draw, probability)


def _label(row: tuple[Any, ...]) -> Label:
    model, exchange_id, principle, violates, note, actor, time_us, exchange_us, arm, flag, draw, probability = row
    said = Said(exchange_id, bool(violates), principle, note)
    return Label(model, said, actor, time_us, exchange_us, Stratum(arm, bool(flag)), draw, probability)
