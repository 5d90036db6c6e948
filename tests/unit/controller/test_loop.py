import sqlite3
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.controller.feedback import FeedbackReader
from gateway.controller.loop import Apart, ControllerLoop
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
        feedback = FeedbackReader(events, controller.feedback, controller.index, controller.meters)
        self.loop = ControllerLoop(
            (self._read, feedback.step, lambda: controller.rollouts.advance(self.verdicts.horizon_us)),
            (self.verdicts.tick, controller.rollouts.forget_some, controller.tables.publish),
            (controller.index, controller.feedback, controller.labels),
            folder=controller.folder,
            clock=controller.clock,
            on_death=self._on_death,
        )

    def _read(self) -> int:
        return self.verdicts.step()  # a test may have put something else in its place

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


def test_what_only_pages_show_holds_up_nothing_else(controller: Controller) -> None:
    """Its file may be damaged, or somebody may have taken it away."""
    with controller.memory.transaction() as connection:
        connection.execute("ALTER TABLE dropped RENAME TO gone")
    looks: list[None] = []
    done: list[None] = []

    def look() -> None:
        looks.append(None)
        controller.parts.losses.look({})

    loop = ControllerLoop(
        (),
        (Apart("remembering losses", look, controller.clock), lambda: done.append(None)),
        (),
        folder=controller.folder,
        clock=controller.clock,
        on_death=print,
    )
    for _ in range(40):
        loop.turn()
        controller.clock.advance(1)
    assert len(done) == 40
    assert 5 < len(looks) < 15
    with controller.memory.transaction() as connection:
        connection.execute("ALTER TABLE gone RENAME TO dropped")
    controller.clock.advance(10)
    loop.turn()
    assert controller.parts.losses.lately() == []


def test_a_data_folder_that_is_gone_is_left_alone_and_told_of_seldom(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looping = Looping(controller)
    looping.loop.turn()
    data, aside = controller.data.root, controller.data.root.with_name("aside")
    data.rename(aside)
    tries = 0
    step = looping.verdicts.step

    def counted() -> int:
        nonlocal tries
        tries += 1
        return step()

    monkeypatch.setattr(looping.verdicts, "step", counted)
    with capture_logs() as lines:
        for _ in range(4 * 180):
            controller.clock.advance(0.25)
            looping.loop.turn()
        assert not data.exists(), "nothing of it comes back by itself"
        assert tries == 0
        told = [line for line in lines if line.get("work") == "taking verdicts in"]
        assert len(told) == 3, "at once, and once a minute"
        aside.rename(data)
        controller.clock.advance(10)
        looping.loop.turn()
        assert tries == 1
        assert lines[-1]["event"] == "works again"


def test_what_fails_is_tried_again_ever_more_seldom(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looping = Looping(controller)
    tried: list[float] = []

    def full() -> int:
        tried.append(controller.clock.monotonic())
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(looping.verdicts, "step", full)
    for _ in range(4 * 40):
        looping.loop.turn()
        controller.clock.advance(0.25)
    pauses = [later - before for before, later in pairwise(tried)]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 10, 10]


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


def test_nothing_goes_that_an_open_rollout_rests_on(controller: Controller) -> None:
    looping = Looping(controller)
    looping.loop._open_since = lambda: START
    controller.index.add(entries([verdict_event(0), verdict_event(1)]), {})
    controller.clock.advance(401 * 86_400)
    looping.loop.turn()
    assert controller.get("/api/v1/exchanges")["exchanges"]
    looping.loop._open_since = lambda: START + 500 * 86_400_000_000
    looping.loop._purge_at = float("-inf")
    controller.clock.advance(2)
    looping.loop.turn()
    assert not controller.get("/api/v1/exchanges")["exchanges"]
