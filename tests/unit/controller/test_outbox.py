"""Decisions on their way from the store into the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.controller.known_stores import KnownStores
from gateway.controller.outbox import Outbox
from gateway.controller.recovery import open_state
from gateway.controller.tables import RoutingTables
from gateway.controller.weights import Wish
from gateway.events.schema import DecisionV1, Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.ports import LogFull, StateStore
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import PRODUCED, STARTED, Meters
from tests.support.manual_clock import ManualClock
from tests.unit.controller.support import START


class Desk:
    """A controller's store, log and outbox, and somebody who decides."""

    def __init__(self, store: StateStore, events: SqliteEventLog, tables: RoutingTables, meters: Meters) -> None:
        self.store = store
        self.events = events
        self.tables = tables
        self.meters = meters
        self.outbox = Outbox(store, events, meters)

    def decide(self, percent: int) -> None:
        self.tables.set_weights("assistant", {"canary": percent / 100}, f"to {percent}")

    def appended(self) -> list[str]:
        found = [entry.event for entry in self.events.read("decisions", {}, 1000).entries]
        return [event.reason for event in found if isinstance(event, DecisionV1)]

    def counted(self) -> tuple[float, float]:
        """Started and produced, by the metrics."""
        started, produced = (self.meters.counter(each, "decisions") for each in (STARTED, PRODUCED))
        return started.value, produced.value

    def made(self) -> list[str]:
        return [decision.reason for _, decision in self.store.decisions(0, 1000)]


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    data, clock = DataFolder(folder / "data"), ManualClock(START)
    store = open_state(data, clock)
    events = SqliteEventLog(data.log, "controller", clock)
    tables = RoutingTables(store, data, KnownStores(folder / "state"), clock)
    tables.start({"assistant": Wish(("stable", "canary"), {"canary": 0.1})})
    file = CounterFile.open(data.counter_file("controller"))
    yield Desk(store, events, tables, Meters(file))
    file.close()
    events.close()
    store.close()


def test_every_decision_is_appended_once_and_in_order(tmp_path: Path) -> None:
    for percent in (20, 30):
        with desk(tmp_path) as here:
            here.outbox.step()
            here.decide(percent)
            here.decide(percent + 1)
            here.outbox.step()
            here.outbox.step()
            assert here.appended() == here.made()
            assert here.counted() == (len(here.made()), len(here.made()))
    assert len(here.appended()) == 5


class Killed(Exception):
    """The process, right there."""


def test_a_controller_killed_before_it_kept_its_place_appends_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(tmp_path) as here, monkeypatch.context() as patch:
        patch.setattr(here.store, "keep", _kill)
        with pytest.raises(Killed):
            here.outbox.step()
        before = here.appended()
    with desk(tmp_path) as here:
        here.outbox.step()
        assert here.appended() == [*before, *here.made()]
        assert set(here.appended()) == set(here.made())


def test_what_finds_no_room_stays_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(tmp_path) as here:
        with monkeypatch.context() as patch:
            patch.setattr(here.events, "append", _full)
            with pytest.raises(LogFull):
                here.outbox.step()
        assert here.appended() == []
        here.outbox.step()
        assert here.appended() == here.made()


def _kill(_name: str, _value: bytes) -> None:
    raise Killed


def _full(_stream: Stream, _events: object) -> None:
    raise LogFull("no room")
