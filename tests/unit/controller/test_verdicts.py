import sqlite3
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.controller.exchange_query import ExchangeFilter
from gateway.controller.index import ExchangeIndex
from gateway.controller.verdicts import VerdictReader
from gateway.events.gathering import awaited
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import VERDICT_ERRORS, Meters
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore
from tests.unit.controller.support import verdict_event


class Setup:
    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.scorer = MemoryEventLog(self.store, "scorer-0", self.clock)
        self.file = CounterFile.open(tmp_path / "controller.bin")
        self.meters = Meters(self.file)
        self.index = ExchangeIndex.open(tmp_path / "index.sqlite", self.clock)

    def reader(self, gateways: Collection[str] = ()) -> VerdictReader:
        log = MemoryEventLog(self.store, "controller", self.clock)
        return VerdictReader(log, self.index, self.meters, partial(awaited, gateways))

    def consumed(self) -> dict[str, int]:
        return MemoryEventLog(self.store, "controller", self.clock).consumed("verdicts")

    def listed(self) -> int:
        return len(self.index.find(ExchangeFilter(), 10_000))


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    setup = Setup(tmp_path)
    yield setup
    setup.index.close()
    setup.file.close()


def test_verdicts_come_in_once_and_the_log_hears_how_far(setup: Setup) -> None:
    setup.scorer.append("verdicts", [verdict_event(number) for number in range(5)])
    reader = setup.reader()
    assert reader.step() == 5
    assert reader.step() == 0
    assert (setup.listed(), setup.consumed()) == (5, {"scorer-0": 5})
    setup.scorer.append("verdicts", [verdict_event(5)])
    assert setup.reader().step() == 1
    assert (setup.listed(), setup.consumed()) == (6, {"scorer-0": 6})


def test_several_scorers_are_read(setup: Setup) -> None:
    setup.scorer.append("verdicts", [verdict_event(1)])
    MemoryEventLog(setup.store, "scorer-1", setup.clock).append("verdicts", [verdict_event(2)])
    setup.reader().step()
    assert setup.consumed() == {"scorer-0": 1, "scorer-1": 1}


def test_nobody_waits_for_who_is_not_gathered_any_more(setup: Setup) -> None:
    for name in ("scorer-0@east", "scorer-0@west"):
        MemoryEventLog(setup.store, name, setup.clock).append("verdicts", [verdict_event(len(name))], None, 5)
    setup.scorer.append("verdicts", [verdict_event(1)], None, 9)
    for gateways, horizon in (({"east", "west"}, 5), ({"east"}, 5), (set[str](), 9)):
        reader = setup.reader(gateways)
        reader.step()
        reader.step()
        assert reader.horizon_us == horizon
    MemoryEventLog(setup.store, "scorer-0@north", setup.clock).tick("verdicts")
    for gateways, horizon in (({"north"}, 0), (set[str](), 9)):
        reader = setup.reader(gateways)
        reader.step()
        assert reader.horizon_us == horizon


def test_a_lost_index_is_made_anew_and_the_log_never_hears_less(setup: Setup) -> None:
    setup.scorer.append("verdicts", [verdict_event(number) for number in range(1500)])
    reader = setup.reader()
    while reader.step():
        pass
    setup.index.close()
    setup.index = ExchangeIndex.open(setup.path / "another.sqlite", setup.clock)
    reader = setup.reader()
    assert reader.step() == 1000
    assert setup.consumed() == {"scorer-0": 1500}
    assert reader.step() == 500
    assert setup.listed() == 1500


def test_what_was_indexed_and_not_announced_is_announced_later(setup: Setup) -> None:
    setup.scorer.append("verdicts", [verdict_event(1)])
    batch = setup.scorer.read("verdicts", {}, 10)
    setup.index.add(batch.entries, batch.positions)
    assert setup.reader().step() == 0
    assert setup.consumed() == {"scorer-0": 1}


def test_a_failure_is_counted_and_the_batch_read_again(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.scorer.append("verdicts", [verdict_event(1)])
    reader = setup.reader()
    with monkeypatch.context() as patched:

        def full(*_: object) -> int:
            raise sqlite3.OperationalError("database or disk is full")

        patched.setattr(setup.index, "add", full)
        with pytest.raises(sqlite3.OperationalError):
            reader.step()
    assert setup.meters.counter(VERDICT_ERRORS).value == 1
    assert setup.consumed() == {}
    assert reader.step() == 1
    assert (setup.listed(), setup.consumed()) == (1, {"scorer-0": 1})
