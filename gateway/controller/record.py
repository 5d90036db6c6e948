"""All that is kept of one rollout, read from the data folder's files, whether or not somebody writes them now.

What decisions, inputs and state say is of one moment. Verdicts are read in pages: those up to that moment are in
the index, and change no more.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from gateway.controller import kept_rollout, opening, rollout_rows
from gateway.controller.database import open_reader
from gateway.controller.index_schema import stored_verdict
from gateway.controller.kept_rollout import Kept
from gateway.controller.opening import Opening
from gateway.events.schema import VerdictV1
from gateway.layout import DataFolder
from gateway.ports import StoredRollout
from gateway.rollout.observation import Input
from gateway.rollout.state import RolloutState

Mark = tuple[int, str]
"""(canonical time, exchange id): where a verdict lies."""

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


def read_record(data: DataFolder, wanted: str) -> Record:
    """`wanted`: a rollout's id, a model (its newest), or empty (the newest of all).

    Raises NoRecord, sqlite3.Error.
    """
    with _looking(data.state) as connection:
        kept = _found(rollout_rows.stored(connection), wanted)
        inputs = [opening.decode(body) for body in rollout_rows.inputs(connection, kept.state.rollout)]
        rows = connection.execute("SELECT CAST(body AS BLOB), hash FROM decisions ORDER BY number").fetchall()
    first = inputs[0] if inputs else None
    if not isinstance(first, Opening):
        raise NoRecord(f"rollout {kept.state.rollout} was started by an earlier tipstaff, which did not keep how")
    given = tuple(each for each in inputs[1:] if not isinstance(each, Opening))
    return Record(kept, first, given, tuple(body for body, _ in rows), rows[-1][1])


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


def models_under_way(data: DataFolder) -> list[str]:
    """The models with a rollout that goes on, by name, without opening the store. Raises sqlite3.Error."""
    if not data.state.exists():
        return []
    with _looking(data.state) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rollouts'").fetchone():
            return []  # from before there were any
        return [model for (model,) in connection.execute(_UNDER_WAY)]


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
