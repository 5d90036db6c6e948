"""Counts over time: nothing is counted twice, nothing is left out, and a quiet minute is a zero."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.controller.index import ExchangeIndex
from gateway.controller.index_schema import SCHEMA
from gateway.controller.over_time import PARTS, WHOLE, TimeFrame
from gateway.controller.tallies import HOUR_US, MINUTE_US, MINUTES_US
from gateway.events.schema import VerdictV1
from tests.support.manual_clock import ManualClock
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import START, entries, unread, upheld, verdict_event
from tests.unit.controller.test_index import every_kind

NOW = START + 30 * MINUTE_US


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def index(tmp_path: Path, clock: ManualClock) -> Iterator[ExchangeIndex]:
    index = ExchangeIndex.open(tmp_path / "index.sqlite", clock)
    yield index
    index.close()


def add(index: ExchangeIndex, *events: VerdictV1) -> None:
    index.add(entries(events), {})


def frame(buckets: int, step_us: int = MINUTE_US, now_us: int = NOW) -> TimeFrame:
    return TimeFrame.until(now_us, step_us, buckets)


def test_a_frame_ends_with_the_bucket_under_way() -> None:
    found = frame(15, now_us=NOW + MINUTE_US // 2)
    assert found == TimeFrame(NOW - 14 * MINUTE_US, MINUTE_US, 15)


def test_each_minute_has_its_own_and_a_quiet_one_a_zero(index: ExchangeIndex) -> None:
    add(
        index,
        verdict_event(1, upheld("harm"), time_us=NOW - 4 * MINUTE_US),  # before the first bucket
        verdict_event(2, upheld("harm"), time_us=NOW - 3 * MINUTE_US),
        verdict_event(3, upheld(), time_us=NOW - 3 * MINUTE_US + 1),
        verdict_event(4, unread(), time_us=NOW - MINUTE_US - 1),
        verdict_event(5, upheld("harm"), time_us=NOW, arm="canary"),
    )
    found = index.over_time("assistant", frame(4))
    canary, stable = found.arms
    assert (stable.whole["exchanges"], stable.whole["violating"]) == ([2, 1, 0, 0], [1, 0, 0, 0])
    assert (stable.whole["evaluated"], stable.whole["not_evaluated"]) == ([2, 0, 0, 0], [0, 1, 0, 0])
    assert stable.principles == {"harm": {"evaluated": [2, 0, 0, 0], "violations": [1, 0, 0, 0]}}
    assert (canary.whole["exchanges"], canary.principles["harm"]["violations"]) == ([0, 0, 0, 1], [0, 0, 0, 1])


def test_only_principles_that_were_violated_in_the_window(index: ExchangeIndex) -> None:
    add(
        index,
        verdict_event(1, upheld("honesty"), time_us=NOW - 9 * MINUTE_US),
        verdict_event(2, upheld("harm"), time_us=NOW),
    )
    assert [*index.over_time("assistant", frame(5)).arms[0].principles] == ["harm"]
    assert [*index.over_time("assistant", frame(10)).arms[0].principles] == ["harm", "honesty"]
    assert [*index.over_time("assistant", frame(1, HOUR_US)).arms[0].principles] == ["harm", "honesty"]


@pytest.mark.parametrize(("step_us", "buckets"), [(MINUTE_US, 60), (HOUR_US, 24)])
def test_over_all_buckets_it_is_what_rates_say(index: ExchangeIndex, step_us: int, buckets: int) -> None:
    add(index, *every_kind())
    found = {each.arm: each for each in index.over_time("assistant", frame(buckets, step_us)).arms}
    rates = index.rates("assistant", START)
    assert set(found) == {arm.arm for arm in rates.arms} == {"stable", "canary"}
    for arm in rates.arms:
        assert {what: sum(found[arm.arm].whole[what]) for what in WHOLE} == {
            what: getattr(arm, what) for what in WHOLE
        }
        for principle in arm.principles:
            counts = found[arm.arm].principles[principle.principle]
            assert {what: sum(counts[what]) for what in PARTS} == {what: getattr(principle, what) for what in PARTS}


def test_a_verdict_that_comes_again_counts_once(index: ExchangeIndex) -> None:
    for _ in range(2):
        add(index, verdict_event(1, time_us=NOW))
    assert index.over_time("assistant", frame(1)).arms[0].whole["exchanges"] == [1]


def test_minutes_are_of_two_days_only(index: ExchangeIndex, clock: ManualClock) -> None:
    add(index, verdict_event(1, time_us=NOW - MINUTES_US - 1), verdict_event(2, time_us=NOW - MINUTES_US))
    assert index.over_time("assistant", frame(1, now_us=NOW - MINUTES_US - 1)).arms == ()
    assert index.over_time("assistant", frame(1, now_us=NOW - MINUTES_US)).arms[0].whole["exchanges"] == [1]
    clock.advance(59)
    index.purge(0)
    assert index.over_time("assistant", frame(1, now_us=NOW - MINUTES_US)).arms
    clock.advance(1)
    index.purge(0)
    assert not index.over_time("assistant", frame(1, now_us=NOW - MINUTES_US)).arms
    assert sum(index.over_time("assistant", frame(60, HOUR_US)).arms[0].whole["exchanges"]) == 2


def test_no_other_bucket_is_kept(index: ExchangeIndex) -> None:
    with pytest.raises(ValueError, match="by the minute and by the hour"):
        index.over_time("assistant", frame(1, 10 * MINUTE_US))


def test_an_index_of_the_format_before_goes_on(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in SCHEMA.split(";"):
            if "minute_tallies" not in statement:
                old.execute(statement)
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO arm_tallies VALUES ('assistant', 'stable', ?, 'exchanges', 7)", (START // HOUR_US,)
        )
    index = ExchangeIndex.open(path, clock)
    add(index, verdict_event(1, time_us=NOW))
    assert index.over_time("assistant", frame(1)).arms[0].whole["exchanges"] == [1]
    assert index.over_time("assistant", frame(1, HOUR_US)).arms[0].whole["exchanges"] == [8]
    index.close()
    assert [each.name for each in tmp_path.iterdir() if ".v1" in each.name] == []


class TestTheAnswer:
    def series(self, controller: Controller, window: str) -> dict[str, Any]:
        found: dict[str, Any] = controller.get("/api/v1/models/assistant/series", params={"window": window})
        return found

    @pytest.mark.parametrize(
        ("window", "step", "buckets"),
        [
            ("15m", 60, 15),
            ("1h", 60, 60),
            ("6h", 60, 360),
            ("24h", 3600, 24),
            ("7d", 3600, 168),
            ("30d", 3600, 720),
        ],
    )
    def test_every_window(self, controller: Controller, window: str, step: int, buckets: int) -> None:
        controller.index.add(entries([verdict_event(0, upheld("harm"), arm="canary", time_us=START)]), {})
        found = self.series(controller, window)
        assert (found["step_seconds"], len(found["times"])) == (step, buckets)
        assert (found["since"], found["times"][-1]) == (found["times"][0], "2025-10-09T08:00:00Z")
        stable, canary = found["arms"]
        assert (stable["arm"], stable["exchanges"], stable["principles"]) == ("stable", [0] * buckets, [])
        assert canary["exchanges"] == [0] * (buckets - 1) + [1]
        assert canary["principles"] == [
            {"principle": "harm", "evaluated": canary["exchanges"], "violations": canary["exchanges"]}
        ]

    def test_an_arm_that_is_no_more_comes_last(self, controller: Controller) -> None:
        controller.index.add(entries([verdict_event(0, arm="a-former", time_us=START)]), {})
        assert [each["arm"] for each in self.series(controller, "1h")["arms"]] == ["stable", "canary", "a-former"]

    def test_what_there_is_not(self, controller: Controller) -> None:
        assert controller.call("GET", "/api/v1/models/none/series").status_code == 404
        assert controller.call("GET", "/api/v1/models/assistant/series?window=2h").status_code == 422
