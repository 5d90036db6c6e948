"""What every engine of `gateway.ports.EventLog` must do. Subclass it and give `open_log`."""

from typing import Protocol

import pytest

from gateway.events.schema import AuditV1
from gateway.ports import Batch, EventLog
from tests.support.events import audit, exchange, one_of_each, verdict
from tests.support.manual_clock import ManualClock


class OpenLog(Protocol):
    """Opens a producer's log on the same storage each time, as its restarted process would."""

    def __call__(self, producer: str) -> EventLog: ...


def read_all(log: EventLog, step: int = 7) -> Batch:
    """Everything in `audit`, in steps."""
    entries: list[object] = []
    positions: dict[str, int] = {}
    while (batch := log.read("audit", positions, step)).entries:
        assert len(batch.entries) <= step
        entries += batch.entries
        positions = batch.positions
    return Batch(tuple(entries), batch.positions, batch.watermarks)  # type: ignore[arg-type]


class EventLogContract:
    """Every test gets its own storage through the fixture `open_log`, and moves `clock`."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    def test_a_new_log_is_empty(self, open_log: OpenLog) -> None:
        log = open_log("p")
        assert log.producer == "p"
        assert log.read("audit", {}, 10).entries == ()
        assert log.appended("audit") == 0
        assert log.consumed("audit") == {}

    def test_events_come_back_as_they_were_in_order_with_their_times(self, open_log: OpenLog) -> None:
        log = open_log("p")
        events = one_of_each()
        times = log.append("audit", events)
        batch = log.read("audit", {}, 100)
        assert [entry.event for entry in batch.entries] == events
        assert [entry.sequence for entry in batch.entries] == list(range(len(events)))
        assert [entry.time_us for entry in batch.entries] == list(times)
        assert {entry.producer for entry in batch.entries} == {"p"}
        assert batch.positions == {"p": len(events)}

    def test_nothing_appended_is_nothing_changed(self, open_log: OpenLog) -> None:
        log = open_log("p")
        assert log.append("audit", []) == ()
        assert log.append("audit", [], {}) == ()
        assert log.appended("audit") == 0

    def test_streams_are_apart(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(1)])
        log.append("exchanges", [exchange(2), exchange(3)])
        assert len(log.read("audit", {}, 10).entries) == 1
        assert (log.appended("audit"), log.appended("exchanges")) == (1, 2)

    def test_reading_goes_on_after_a_position(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(number) for number in range(10)])
        log.append("audit", [audit(number) for number in range(10, 25)])
        assert [entry.sequence for entry in log.read("audit", {"p": 8}, 4).entries] == [8, 9, 10, 11]
        assert [entry.event for entry in read_all(log).entries] == [audit(number) for number in range(25)]
        assert log.read("audit", {"p": 25}, 4).entries == ()

    def test_a_limit_of_nothing_reads_nothing(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(1)])
        batch = log.read("audit", {}, 0)
        assert batch.entries == ()
        assert batch.positions.get("p", 0) == 0
        assert batch.watermarks.get("p", 0) == 0

    def test_a_position_past_the_end_waits_there(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(1)])
        batch = log.read("audit", {"p": 9}, 5)
        assert batch.entries == ()
        assert batch.positions["p"] == 9

    def test_all_producers_are_read_and_new_ones_found(self, open_log: OpenLog) -> None:
        first, second = open_log("first"), open_log("second")
        first.append("audit", [audit(1), audit(2)])
        batch = first.read("audit", {}, 10)
        second.append("audit", [audit(3)])
        batch = first.read("audit", batch.positions, 10)
        assert [(entry.producer, entry.event) for entry in batch.entries] == [("second", audit(3))]
        assert batch.positions == {"first": 2, "second": 1}

    def test_a_busy_producer_does_not_starve_another(self, open_log: OpenLog) -> None:
        busy, quiet = open_log("a-busy"), open_log("quiet")
        quiet.append("audit", [audit(1)])
        positions: dict[str, int] = {}
        seen: set[str] = set()
        for number in range(10):
            busy.append("audit", [audit(number)] * 5)
            batch = busy.read("audit", positions, 5)
            positions = batch.positions
            seen |= {entry.producer for entry in batch.entries}
        assert seen == {"a-busy", "quiet"}

    def test_positions_of_unknown_producers_are_kept(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(1)])
        assert log.read("audit", {"gone": 4}, 10).positions == {"gone": 4, "p": 1}

    def test_times_are_the_clocks_and_strictly_growing(self, open_log: OpenLog, clock: ManualClock) -> None:
        log = open_log("p")
        start = clock.now_us()
        assert log.append("audit", [audit(1), audit(2)]) == (start, start + 1)
        assert log.append("audit", [audit(3)]) == (start + 2,)
        clock.advance(1)
        assert log.append("audit", [audit(4)]) == (start + 1_000_000,)

    def test_times_grow_when_the_clock_went_back_over_a_restart(
        self, open_log: OpenLog, clock: ManualClock
    ) -> None:
        log = open_log("p")
        (before,) = log.append("audit", [audit(1)])
        log.close()
        clock.set_back(3600)
        assert open_log("p").append("audit", [audit(2)]) == (before + 1,)

    def test_a_restart_changes_nothing(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("verdicts", [verdict(1)], {"exchanges": {"proxy-0": 1}})
        log.close()
        again = open_log("p")
        assert again.appended("verdicts") == 1
        assert again.consumed("exchanges") == {"proxy-0": 1}
        again.append("verdicts", [verdict(2)])
        entries = again.read("verdicts", {}, 10).entries
        assert [(entry.sequence, entry.event) for entry in entries] == [(0, verdict(1)), (1, verdict(2))]

    def test_consumed_positions_add_up_over_appends_and_streams(self, open_log: OpenLog) -> None:
        log = open_log("s")
        log.append("verdicts", [verdict(1)], {"exchanges": {"proxy-0": 3}})
        log.append("verdicts", [], {"exchanges": {"proxy-1": 4}, "feedback": {"controller": 1}})
        log.append("audit", [audit(1)], {"exchanges": {"proxy-0": 5}})
        log.append("verdicts", [verdict(2)])
        self._adds_up(log)
        log.close()
        self._adds_up(open_log("s"))

    @staticmethod
    def _adds_up(log: EventLog) -> None:
        assert log.consumed("exchanges") == {"proxy-0": 5, "proxy-1": 4}
        assert log.consumed("feedback") == {"controller": 1}
        assert log.appended("verdicts") == 2

    def test_consumed_is_each_processes_own(self, open_log: OpenLog) -> None:
        scorer, controller = open_log("scorer-0"), open_log("controller")
        scorer.append("verdicts", [], {"exchanges": {"proxy-0": 3}})
        assert controller.consumed("exchanges") == {}

    def test_a_position_never_goes_back(self, open_log: OpenLog) -> None:
        log = open_log("s")
        log.append("verdicts", [], {"exchanges": {"proxy-0": 3}})
        log.append("verdicts", [], {"exchanges": {"proxy-0": 3}})
        with pytest.raises(ValueError, match=r"back|behind"):
            log.append("verdicts", [verdict(1)], {"exchanges": {"proxy-0": 2}})
        assert log.appended("verdicts") == 0
        assert log.consumed("exchanges") == {"proxy-0": 3}

    def test_a_tick_moves_the_watermark_of_an_idle_producer(self, open_log: OpenLog, clock: ManualClock) -> None:
        log = open_log("p")
        log.tick("audit")
        assert log.read("audit", {}, 10).watermarks == {"p": clock.now_us()}
        clock.advance(2)
        log.tick("audit")
        assert log.read("audit", {}, 10).watermarks == {"p": clock.now_us()}

    def test_an_event_after_a_tick_is_later_than_the_tick(self, open_log: OpenLog, clock: ManualClock) -> None:
        log = open_log("p")
        log.tick("audit")
        (mark,) = log.read("audit", {}, 10).watermarks.values()
        clock.set_back(10)
        assert log.append("audit", [audit(1)]) == (mark + 1,)
        log.tick("audit")
        log.close()
        assert open_log("p").append("audit", [audit(2)]) == (mark + 2,)

    def test_a_watermark_never_runs_ahead_of_what_was_read(self, open_log: OpenLog, clock: ManualClock) -> None:
        log = open_log("p")
        times = log.append("audit", [audit(number) for number in range(5)])
        clock.advance(60)
        log.tick("audit")
        batch = log.read("audit", {}, 3)
        assert batch.watermarks == {"p": times[2]}
        assert log.read("audit", batch.positions, 3).watermarks == {"p": clock.now_us()}

    def test_what_is_forwarded_comes_with_the_end_of_what_was_read(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("verdicts", [verdict(number) for number in range(3)], forwarded=70)
        batch = log.read("verdicts", {}, 2)
        assert batch.forwarded == {}
        assert log.read("verdicts", batch.positions, 2).forwarded == {"p": 70}

    def test_what_is_forwarded_never_goes_back(self, open_log: OpenLog) -> None:
        log = open_log("p")
        assert log.read("verdicts", {}, 2).forwarded == {}
        log.tick("verdicts", 50)
        log.tick("verdicts", 40)
        log.append("verdicts", [verdict(1)])
        assert log.read("verdicts", {}, 2).forwarded == {"p": 50}
        log.close()
        reopened = open_log("p")
        reopened.tick("verdicts")
        assert reopened.read("verdicts", {}, 2).forwarded == {"p": 50}

    def test_a_batch_names_producers_that_it_had_no_room_for(self, open_log: OpenLog) -> None:
        for producer in ("p", "q", "r"):
            open_log(producer).append("audit", [audit(1)])
        assert open_log("c").read("audit", {}, 1).positions.keys() == {"p", "q", "r"}

    def test_a_reader_sees_what_another_process_appends(self, open_log: OpenLog) -> None:
        writer, reader = open_log("p"), open_log("r")
        positions: dict[str, int] = {}
        for number in range(20):
            writer.append("audit", [audit(number)])
            batch = reader.read("audit", positions, 10)
            positions = batch.positions
            assert [entry.event for entry in batch.entries] == [audit(number)]

    def test_large_events_come_back_whole(self, open_log: OpenLog) -> None:
        log = open_log("p")
        events = [exchange(number, response=bytes([number]) * 3_000_000) for number in range(4)]
        log.append("exchanges", events)
        read: list[object] = []
        positions: dict[str, int] = {}
        while (batch := log.read("exchanges", positions, 10)).entries:
            read += [entry.event for entry in batch.entries]
            positions = batch.positions
        assert read == events

    def test_many_events_in_one_append(self, open_log: OpenLog) -> None:
        log = open_log("p")
        events = [audit(number) for number in range(3000)]
        times = log.append("audit", events)
        assert len(set(times)) == 3000
        entries = read_all(log, 512).entries
        assert [entry.event for entry in entries] == events
        assert [entry.time_us for entry in entries] == list(times)
        assert all(isinstance(entry.event, AuditV1) for entry in entries)

    def test_closing_twice_is_closing_once(self, open_log: OpenLog) -> None:
        log = open_log("p")
        log.append("audit", [audit(1)])
        log.close()
        log.close()
