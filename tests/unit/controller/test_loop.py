import threading
from pathlib import Path

import pytest

from gateway.controller.loop import ControllerLoop
from gateway.controller.verdicts import VerdictReader
from gateway.tablefile import read_table
from tests.support.memory_log import MemoryEventLog, MemoryStore
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import HOUR, START, entries, verdict_event

_DAY = 24 * HOUR


class Looping:
    """A loop over a controller's parts, and what it died of."""

    def __init__(self, controller: Controller) -> None:
        self.died: list[BaseException] = []
        self.dead = threading.Event()
        events = MemoryEventLog(MemoryStore(), "controller", controller.clock)
        self.verdicts = VerdictReader(events, controller.index, controller.meters)
        self.loop = ControllerLoop(
            self.verdicts, controller.tables, controller.index, controller.clock, self._on_death
        )

    def _on_death(self, error: BaseException) -> None:
        self.died.append(error)
        self.dead.set()


def test_a_table_that_vanished_comes_back_within_a_second(controller: Controller) -> None:
    loop = Looping(controller).loop
    loop.turn()
    controller.data.table.unlink()
    loop.turn()
    assert not controller.data.table.exists()
    controller.clock.advance(1)
    loop.turn()
    assert read_table(controller.data.table) == controller.tables.current()


def test_what_cannot_be_published_does_not_stop_the_loop(controller: Controller) -> None:
    loop = Looping(controller).loop
    controller.data.table.unlink()
    controller.data.table.mkdir()
    with pytest.raises(OSError, match="directory"):
        controller.tables.set_weights("assistant", {"canary": 0.5}, "")
    loop.turn()
    controller.data.table.rmdir()
    controller.clock.advance(1)
    loop.turn()
    assert read_table(controller.data.table) == controller.tables.current()


def test_verdicts_older_than_400_days_go(controller: Controller) -> None:
    controller.index.add(
        entries(
            [
                verdict_event(1, time_us=START - 401 * _DAY),
                verdict_event(2, time_us=START - 399 * _DAY),
            ]
        ),
        {},
    )
    loop = Looping(controller).loop
    loop.turn()
    assert len(controller.get("/api/v1/exchanges")["exchanges"]) == 1
    for _ in range(2):
        controller.clock.advance(2 * 24 * 3600)
        loop.turn()
    assert controller.get("/api/v1/exchanges")["exchanges"] == []


def test_it_begins_and_ends(controller: Controller) -> None:
    looping = Looping(controller)
    seen = [looping.loop.alive]
    looping.loop.start()
    seen.append(looping.loop.alive)
    looping.loop.close()
    seen.append(looping.loop.alive)
    assert seen == [False, True, False]
    assert looping.died == []


def test_its_death_is_heard(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    looping = Looping(controller)

    def broken() -> int:
        raise RuntimeError("a defect")

    monkeypatch.setattr(looping.verdicts, "step", broken)
    looping.loop.start()
    assert looping.dead.wait(5)
    looping.loop.close()
    assert [str(error) for error in looping.died] == ["a defect"]
    assert not looping.loop.alive


def test_closing_what_never_began_is_nothing(controller: Controller, tmp_path: Path) -> None:
    Looping(controller).loop.close()
