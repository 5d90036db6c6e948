"""All that is kept of one rollout, read from the data folder's files, whether or not somebody writes them now.

What decisions, inputs and state say is of one moment. Verdicts are read in pages: those up to that moment are in
the index, and change no more.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from gateway.controller import kept_rollout, opening, rollout_rows
from gateway.controller.database import open_reader
from gateway.controller.index_schema import stored_verdict
from gateway.controller.kept_rollout import Kept
from gateway.controller.opening import Opening
from gateway.controller.sql import Sql
from gateway.events.schema import VerdictV1
from gateway.layout import DataFolder
from gateway.ports import StoredRollout
from gateway.rollout.observation import Input
from gateway.rollout.state import RolloutState

Mark = tuple[int, str]
"""(canonical time, exchange id): where a verdict lies."""

Look = Callable[[], AbstractContextManager[Sql]]
"""One moment of the state store. Raises NoRecord where there is none, StorageUnusable, sqlite3.Error."""

_PAGE = 5000
_LAST = "~"
"""Sorts after every exchange id."""
_VERDICTS = """SELECT time_us, id, verdict FROM exchanges INDEXED BY by_model
    WHERE model = ? AND (time_us, id) > (?, ?) AND time_us <= ? ORDER BY time_us, id LIMIT ?"""
_LABELS = """SELECT exchange_id, principle, violates, actor, time_us, exchange_us, arm, flagged, draw, probability
    FROM labels WHERE model = ? AND exchange_us > ? AND exchange_us <= ? ORDER BY number"""

_UNDER_WAY = "SELECT DISTINCT model FROM rollouts WHERE NOT ended ORDER BY model"


class NoRecord(Exception):
    """There is no such rollout, or nothing of it that could be checked; the text says which."""


class LabelRow(msgspec.Struct, frozen=True):
    """What somebody said of an exchange, without the note: see `gateway.curation.labels.Label`."""

    exchange_id: str
    principle: str
    violates: bool
    actor: str
    time_us: int
    exchange_us: int
    arm: str
    flagged: bool
    draw: str | None
    probability: float | None


class Record(msgspec.Struct, frozen=True):
    """One rollout at one moment. `chain`: the store's decisions as they are stored, oldest first, of every model;
    `head`: the hash that is stored with the last.
    """

    kept: Kept
    opening: Opening
    inputs: tuple[Input, ...]
    chain: tuple[bytes, ...]
    head: str

    @property
    def read_to(self) -> Mark:
        """The last verdict that could count."""
        return read_to(self.kept.state)


def read_to(state: RolloutState) -> Mark:
    """What lies behind it was not counted when the state was saved, or came after the promotion."""
    if state.promoted_us:
        return (state.promoted_us, _LAST)
    return max(state.counted, (state.passed_us, _LAST))


def read_record(data: DataFolder, wanted: str, look: Look | None = None) -> Record:
    """`wanted`: a rollout's id, a model (its newest), or empty (the newest of all). `look`: at the state store;
    None: at the file in `data`.

    Raises what `look` does.
    """
    with (look or partial(_looking, data.state))() as sql:
        kept = _found(rollout_rows.stored(sql), wanted)
        inputs = [opening.decode(body) for body in rollout_rows.inputs(sql, kept.state.rollout)]
        rows = sql.execute("SELECT body, hash FROM decisions ORDER BY number").fetchall()
    first = inputs[0] if inputs else None
    if not isinstance(first, Opening):
        raise NoRecord(f"rollout {kept.state.rollout} was started by an earlier tipstaff, which did not keep how")
    given = tuple(each for each in inputs[1:] if not isinstance(each, Opening))
    return Record(kept, first, given, tuple(_bytes(body) for body, _ in rows), rows[-1][1])


def read_verdicts(data: DataFolder, model: str, after: Mark, until: Mark) -> Iterator[VerdictV1]:
    """A model's verdicts in canonical order, behind `after`, up to and with `until`. Raises sqlite3.Error."""
    while True:
        with _looking(data.index) as connection:
            page = connection.execute(_VERDICTS, (model, *after, until[0], _PAGE)).fetchall()
        for time_us, identifier, blob in page:
            if (time_us, identifier) <= until:
                yield stored_verdict(blob)
        if len(page) < _PAGE:
            return
        after = page[-1][:2]


def read_labels(data: DataFolder, model: str, after_us: int, until_us: int) -> Iterator[LabelRow]:
    """What people said of a model's exchanges of that time, oldest word first. Raises sqlite3.Error."""
    if not data.labels.exists():
        return
    with _looking(data.labels) as connection:
        rows = connection.execute(_LABELS, (model, after_us, until_us)).fetchall()
    for row in rows:
        yield msgspec.convert(dict(zip(LabelRow.__struct_fields__, row, strict=True)), LabelRow, strict=False)


def _bytes(body: bytes | str) -> bytes:
    """SQLite gives text where somebody has put text in its place."""
    return body.encode() if isinstance(body, str) else body


def models_under_way(data: DataFolder, look: Look | None = None) -> list[str]:
    """The models with a rollout that goes on, by name, without opening the store. `look`: as for `read_record`.

    Raises StorageUnusable, sqlite3.Error.
    """
    try:
        with (look or partial(_looking, data.state))() as sql:
            return [model for (model,) in sql.execute(_UNDER_WAY)]
    except NoRecord:
        return []


def _found(stored: list[StoredRollout], wanted: str) -> Kept:
    fitting = [found for found in stored if wanted in ("", found.rollout, found.model)]
    if not fitting:
        there = ", ".join(f"{found.rollout} ({found.model})" for found in stored[-5:]) or "none yet"
        raise NoRecord(f"no rollout {wanted!r}: the newest are {there}")
    return kept_rollout.decode(fitting[-1].state)


@contextmanager
def _looking(path: Path) -> Iterator[sqlite3.Connection]:
    """One state of a file. Raises NoRecord where there is none."""
    if not path.exists():
        raise NoRecord(f"{path} does not exist: is that the data folder?")
    with closing(open_reader(path)) as connection:
        connection.execute("BEGIN")
        yield connection
