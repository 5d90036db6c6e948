"""The level alarm: what hits every arm is told once, what is usual never, and a restart goes on where it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.controller.levels import Levels, UnknownAlarm
from gateway.tablefile import read_table
from tests.integration.controller.test_rollouts import Site
from tests.support.rollouts import MODEL, Traffic
from tests.unit.controller.conftest import shipped
from tests.unit.controller.support import START, entries

_HOUR = 3600.0
_PER_HOUR = 120
_WEEK = 8 * 24
BOTH = {(MODEL, "stable", "privacy"), (MODEL, "canary", "privacy")}


class Watched(Site):
    """A model with a few users, hour by hour, without any rollout."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.traffic = Traffic(START + 1_000_000, users=60, rate=_PER_HOUR / _HOUR)
        self.usual(0.04)
        self.told = self.controller.told
        self.levels = self.controller.levels

    def usual(self, rate: float) -> None:
        self.traffic.stable = self.traffic.canary = rate

    def hours(self, count: int) -> None:
        table = read_table(self.controller.data.table)
        assert table is not None
        for _ in range(count):
            events = self.traffic.verdicts(table, _HOUR, shipped().hash)
            self.controller.index.add(entries(events), {})
            while self.levels.step(self.traffic.now_us):
                pass

    def restart(self) -> None:
        parts = self.controller
        models = parts.rollouts._models
        self.levels = Levels(parts.store, parts.index, models, shipped(), parts.clock, self.told.append)

    def raised(self) -> list[str]:
        return [each.principle for each in self.levels.shown() if each.raised_us]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.controller.close()


def test_a_model_as_usual_is_watched_and_nobody_is_told(watched: Watched) -> None:
    watched.hours(2 * _WEEK)
    assert watched.told == []
    assert {each.principle for each in watched.levels.shown()} == {"privacy"}
    assert all(0.04 < each.budget < 0.07 for each in watched.levels.shown())


def test_what_rises_on_every_arm_is_told_once_until_somebody_has_seen_it(watched: Watched) -> None:
    watched.hours(_WEEK)
    watched.usual(0.2)
    watched.hours(24)
    assert {(each.model, each.arm, each.principle) for each in watched.told} == BOTH
    assert len(watched.told) == len(BOTH)
    assert all(each.rate > each.budget for each in watched.told)
    assert watched.raised() == ["privacy"] * 2
    watched.levels.acknowledge(MODEL, "stable", "privacy")
    assert watched.raised() == ["privacy"]
    with pytest.raises(UnknownAlarm):
        watched.levels.acknowledge(MODEL, "stable", "privacy")
    watched.hours(12)
    assert watched.told[-1].arm == "stable", "it goes on, so it is told again"


def test_a_restart_tells_neither_twice_nor_never(watched: Watched) -> None:
    watched.hours(_WEEK)
    watched.restart()
    watched.usual(0.2)
    watched.hours(3)
    watched.restart()
    watched.hours(21)
    watched.restart()
    watched.hours(2)
    assert len(watched.told) == len(BOTH)
    assert watched.raised() == ["privacy"] * 2


def test_before_a_week_nothing_is_known_to_be_usual(watched: Watched) -> None:
    watched.usual(0.5)
    watched.hours(48)
    assert watched.told == []
    assert list(watched.levels.shown()) == []
