"""What only pages remember: evidence over time, and when something was lost."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gateway.controller.evidence_history import MOST, EvidenceHistory, Point
from gateway.controller.history_file import open_history
from gateway.controller.loss_watch import LossWatch
from gateway.controller.rollout_series import Standing
from gateway.controller.routers.evidence import joined
from gateway.controller.sqlite_file import SqliteFile
from gateway.core.evidence import Evidence, EvidenceRow, Rates
from gateway.telemetry.exposition import Children
from tests.support.manual_clock import ManualClock

if TYPE_CHECKING:
    from gateway.controller.rollouts import Rollouts

SECOND = 1_000_000
DAY = 86_400
ROW = EvidenceRow(
    "harm",
    1.0,
    True,  # noqa: FBT003 - it promotes
    Rates(9, 0.1, 0.0, 0.2),
    Rates(3, 0.3, 0.1, 0.5),
    -0.1,
    0.4,
    0.7,
    0.6,
    -0.5,
    1.0,
    (0.0, 0.0),
)
EVIDENCE = Evidence((ROW,), 0.7, 1.3, 0.6, 1.3, -0.1, 3.0, (9, 3), 2.5, 100.0)


class Going:
    """In the place of Rollouts: one rollout, whose canonical time goes on when a test says so."""

    def __init__(self, rollout: str = "r") -> None:
        self.time_us = 0
        self.rollout = rollout
        self.ended = False

    def all_running(self) -> list[Any]:
        return [] if self.ended else [self]

    @property
    def model(self) -> str:
        return "assistant"

    @property
    def kept(self) -> Any:  # noqa: ANN401 - as much of it as is looked at
        return self

    @property
    def state(self) -> Any:  # noqa: ANN401
        return self

    @property
    def clock_us(self) -> int:
        return self.time_us

    def standing(self, _: str) -> Standing:
        exchanges = (2 * self.time_us // SECOND, self.time_us // SECOND)
        return Standing(
            self.rollout,
            self.time_us,
            0.25,
            exchanges,
            "assistant",
            "stable",
            "canary",
            "running",
            drill=False,
            decided={},
            evidence=EVIDENCE,
        )


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    made = open_history(tmp_path / "history.sqlite", ManualClock())
    yield made
    made.close()


def history(file: SqliteFile, going: Going) -> EvidenceHistory:
    return EvidenceHistory(file, cast("Rollouts", going))


class TestEvidence:
    def run(self, kept: EvidenceHistory, going: Going, seconds: int) -> None:
        for _ in range(seconds):
            going.time_us += SECOND
            kept.look()

    def test_a_point_says_all_that_is_drawn(self, file: SqliteFile) -> None:
        going = Going()
        kept = history(file, going)
        self.run(kept, going, 1)
        assert kept.points("r") == [
            Point(
                time_us=SECOND,
                percent=25.0,
                mean=0.7,
                alarm=0.6,
                worse=(0.7,),
                alarms=(0.6,),
                no_worse=(-0.5,),
                stable=((0.1, 0.0, 0.2),),
                canary=((0.3, 0.1, 0.5),),
                difference=((-0.1, 0.4),),
                budget_spent=2.5,
                exchanges=(2, 1),
            )
        ]

    def test_time_that_stands_still_adds_nothing(self, file: SqliteFile) -> None:
        going = Going()
        kept = history(file, going)
        self.run(kept, going, 1)
        for _ in range(5):
            kept.look()
        assert len(kept.points("r")) == 1

    def test_it_stays_thin_and_covers_all_of_it_evenly(self, file: SqliteFile) -> None:
        going = Going()
        kept = history(file, going)
        self.run(kept, going, 9 * MOST)
        times = [each.time_us // SECOND for each in kept.points("r")]
        assert MOST / 2 <= len(times) <= MOST
        assert times[0] == 1
        assert times[-1] > 9 * MOST - 20
        steps = {after - before for before, after in pairwise(times)}
        assert max(steps) <= 2 * min(steps)

    def test_another_process_goes_on_with_the_same_interval(self, file: SqliteFile) -> None:
        going = Going()
        self.run(history(file, going), going, 3 * MOST)
        before = len(history(file, going).points("r"))
        again = history(file, going)
        self.run(again, going, 40)
        assert len(again.points("r")) == before + 10

    def test_what_has_ended_stays_until_it_is_old(self, file: SqliteFile) -> None:
        going = Going()
        kept = history(file, going)
        self.run(kept, going, 10)
        going.ended = True
        kept.look()
        before = len(kept.points("r"))
        assert kept.purge(5 * SECOND) == 2
        assert len(kept.points("r")) == before - 2
        assert kept.purge(11 * SECOND) == before - 2
        assert kept.purge(11 * SECOND) == 0

    def test_a_decision_comes_after_what_it_was_made_from(self) -> None:
        going = Going()
        going.time_us = 5 * SECOND
        shown = history(cast("SqliteFile", None), going).now("assistant", "r")
        assert shown is not None
        made = msgspec.structs.replace(shown, exchanges=(0, 0), decision="freeze")
        early = msgspec.structs.replace(made, time_us=1, decision="start")
        assert joined([shown], [early, made]) == [early, shown, msgspec.structs.replace(made, exchanges=(10, 5))]
        assert history(cast("SqliteFile", None), going).now("assistant", "another") is None


class TestLosses:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    def dropped(self, crash: int, full: int = 0) -> Children:
        return {("exchanges", "crash"): [float(crash)], ("feedback", "queue_full"): [float(full)]}

    def lately(self, watch: LossWatch) -> dict[tuple[str, str], int]:
        return {(each.stream, each.reason): each.count for each in watch.lately()}

    def test_what_was_lost_before_the_first_look_is_of_the_past(self, file: SqliteFile, clock: ManualClock) -> None:
        watch = LossWatch(file, clock)
        watch.look(self.dropped(2))
        assert self.lately(watch) == {}

    def test_the_first_loss_ever_is_news(self, file: SqliteFile, clock: ManualClock) -> None:
        watch = LossWatch(file, clock)
        watch.look({})
        watch.look(self.dropped(1))
        assert self.lately(watch) == {("exchanges", "crash"): 1}

    def test_growth_is_news_for_a_day(self, file: SqliteFile, clock: ManualClock) -> None:
        watch = LossWatch(file, clock)
        watch.look(self.dropped(2))
        clock.advance(60)
        watch.look(self.dropped(5, 1))
        clock.advance(1)
        watch.look(self.dropped(6, 1))
        assert self.lately(watch) == {("exchanges", "crash"): 4, ("feedback", "queue_full"): 1}
        clock.advance(DAY)
        assert self.lately(watch) == {("exchanges", "crash"): 1}
        clock.advance(1)
        assert self.lately(watch) == {}

    def test_another_process_remembers(self, file: SqliteFile, clock: ManualClock) -> None:
        LossWatch(file, clock).look(self.dropped(2))
        LossWatch(file, clock).look(self.dropped(5))
        assert self.lately(LossWatch(file, clock)) == {("exchanges", "crash"): 3}

    def test_counters_that_were_taken_away_are_no_loss(self, file: SqliteFile, clock: ManualClock) -> None:
        watch = LossWatch(file, clock)
        watch.look(self.dropped(5))
        clock.advance(1)
        watch.look(self.dropped(1))
        assert self.lately(watch) == {}
        clock.advance(1)
        watch.look(self.dropped(2))
        assert self.lately(watch) == {("exchanges", "crash"): 1}

    def test_what_is_old_goes_but_for_the_count(self, file: SqliteFile, clock: ManualClock) -> None:
        watch = LossWatch(file, clock)
        watch.look(self.dropped(2))
        watch.look(self.dropped(5))
        assert watch.purge(clock.now_us() + 1) == 1
        watch.look(self.dropped(5))
        assert watch.purge(clock.now_us() + 1) == 0
