"""Who gathers: whom it passes over, whom it waits for, what it says of that, and where it goes on."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.events import gather as module
from gateway.events.gather import Gather, Logs
from gateway.events.schema import Known, ProgressV1
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import Entry, LogFull
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import GATHER_ERRORS, GATHER_IGNORED, GATHER_LAG, Meters
from tests.support.events import feedback, verdict
from tests.support.manual_clock import ManualClock
from tests.support.topics import FakeSource, FakeTopics

SCORER = "scorer-0"
NOW = ManualClock().us


class House:
    """One who gathers `east` and `west`. `again`: as its restarted process would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.topics = FakeTopics()
        self.source = FakeSource(self.topics)
        self.meters = Meters(CounterFile.open(folder / "gather.bin"))
        self.reader = SqliteEventLog(folder / "log", None, self.clock)
        self.logs = self.opened()
        self.gateways: tuple[str, ...] = ("east", "west")
        self.begin()

    def opened(self) -> Logs:
        return Logs(
            self.folder / "log", lambda name: SqliteEventLog(self.folder / "log", name, self.clock), self.meters
        )

    def begin(self) -> None:
        self.gather = Gather(
            self.source,
            self.logs,
            self.gateways,
            offsets=self.folder / "gather" / "offsets.json",
            trouble=self.folder / "status" / "gather.trouble",
            meters=self.meters,
            clock=self.clock,
        )

    def again(self, *gateways: str) -> None:
        self.logs.close()
        self.logs, self.gateways = self.opened(), gateways
        self.begin()

    def sent(self, gateway: str, *numbers: int) -> None:
        for number in numbers:
            event = verdict(number, NOW + 500 + number)
            self.topics.put("verdicts", gateway, Entry(SCORER, number, NOW + 1000 + number, event))

    def said(self, gateway: str, end: int, stream: str = "verdicts", producer: str = SCORER) -> None:
        word = ProgressV1(
            f"w{end}", self.clock.us, stream, {producer: Known(end, NOW + 5000 + end, NOW + 4000 + end)}
        )
        self.topics.put("progress", gateway, Entry("relay", 0, self.clock.us, word))

    def turns(self, count: int = 4) -> None:
        for _ in range(count):
            self.clock.advance(2)
            self.gather.turn()

    def sequences(self, gateway: str) -> list[int]:
        entries = self.reader.read("verdicts", {}, 1000).entries
        return [each.sequence for each in entries if each.producer == f"{SCORER}@{gateway}"]

    @property
    def forwarded(self) -> dict[str, int]:
        """As whoever decides sees it: one of whom nothing is known is at 0."""
        batch = self.reader.read("verdicts", {}, 1000)
        return {name: batch.forwarded.get(name, 0) for name in batch.positions}

    @property
    def trouble(self) -> str:
        return (self.folder / "status" / "gather.trouble").read_text()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.reader.close()
    made.logs.close()
    made.meters.file.close()


def test_what_follows_is_taken_at_once_and_a_hole_waits_for_a_word(house: House) -> None:
    house.turns(1)
    house.sent("east", 0, 1, 3)
    house.turns()
    assert house.sequences("east") == [0, 1]
    house.said("east", 4)
    house.turns()
    assert house.sequences("east") == [0, 1, 3]
    house.sent("east", 2)  # too late: it was said never to come
    house.turns()
    assert house.sequences("east") == [0, 1, 3]
    assert house.forwarded[f"{SCORER}@east"] == NOW + 4004


def test_time_stands_still_until_every_gateway_has_spoken(house: House) -> None:
    house.turns(1)
    house.said("east", 0)
    house.turns()
    assert house.forwarded == {f"{SCORER}@east": NOW + 4000, f"{SCORER}@west": 0}
    house.clock.advance(9)
    house.said("east", 0)
    house.turns(1)
    assert house.trouble.startswith("nothing heard of west for ")
    house.said("west", 0)
    house.turns()
    assert house.trouble == ""
    assert house.forwarded[f"{SCORER}@west"] == NOW + 4000


def test_of_who_is_not_gathered_any_more_nothing_is_taken(house: House) -> None:
    house.turns(1)
    house.sent("west", 0)
    house.turns()
    house.again("east")
    house.turns(1)
    assert house.sequences("west") == [0]
    house.sent("west", 1)
    house.turns()
    assert house.sequences("west") == [0]


def test_strangers_and_what_cannot_be_read_are_passed_over_and_counted(house: House) -> None:
    house.turns(1)
    house.sent("north", 0)
    for headers in ({}, {"ce_source": b"/tipstaff/../../etc"}, {"ce_source": b"\xff"}):
        house.topics.topics["verdicts"][0].append((headers, b"{}"))
    house.sent("east", 0)
    made = house.topics.topics["verdicts"][0][-1]
    for name, value in (("ce_producer", b"../scorer-0"), ("ce_sequence", b"-1"), ("ce_time", b"never")):
        house.topics.topics["verdicts"][0].append((made[0] | {name: value}, made[1]))
    house.turns()
    assert house.sequences("east") == [0]
    assert house.meters.counter(GATHER_IGNORED, "gateway").value == 1
    assert house.meters.counter(GATHER_IGNORED, "unreadable").value == 6
    assert {path.name for path in (house.folder / "log" / "verdicts").iterdir()} == {
        f"{SCORER}@east",
        f"{SCORER}@west",
    }


def test_it_goes_on_where_it_was_and_reads_again_what_it_had_in_hand(house: House) -> None:
    house.turns(1)
    house.sent("east", 0, 1, 3)
    house.turns()
    kept = msgspec.json.decode((house.folder / "gather" / "offsets.json").read_bytes())
    assert kept["verdicts"]["0"] == 2  # of the one in hand
    house.again("east", "west")
    house.turns(1)
    house.said("east", 4)
    house.turns()
    assert house.sequences("east") == [0, 1, 3]


def test_without_its_offsets_it_reads_all_again_and_keeps_nothing_twice(house: House) -> None:
    house.turns(1)
    house.sent("east", 0, 1, 2)
    house.turns()
    (house.folder / "gather" / "offsets.json").write_text("{")
    house.again("east", "west")
    house.sent("east", 3)
    house.turns()
    assert house.sequences("east") == [0, 1, 2, 3]


def test_brokers_that_are_away_are_told_counted_and_found_again(house: House) -> None:
    house.turns(1)
    house.source.away = "nobody there"
    house.turns(1)
    assert house.trouble == "nobody there"
    assert house.meters.counter(GATHER_ERRORS, "test").value == 1
    house.source.away = ""
    house.sent("east", 0)
    house.turns()
    assert house.sequences("east") == [0]
    assert "nobody there" not in house.trouble


def test_a_log_that_takes_no_more_loses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.turns(1)
    house.sent("east", 0, 1)

    def full(*_: object) -> None:
        raise LogFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteEventLog, "adopt", full)
        house.turns(1)
        assert house.trouble == "no room"
        assert house.meters.counter(GATHER_ERRORS, "storage").value == 1
    house.turns()
    assert house.sequences("east") == [0, 1]


def test_partitions_that_are_ahead_are_held_where_too_much_is_in_hand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    house.turns(1)
    late = [feedback(number) for number in range(9)]
    partition = {number: sum(each.key.encode()) % 3 for number, each in enumerate(late)}
    for number, event in enumerate(late[1:], 1):
        house.topics.put("feedback", "east", Entry("proxy-0", number, NOW + number, event))
    house.source.most = 2
    house.turns(1)
    held = house.source.held["feedback"]
    assert held
    assert set(held) < set(partition.values())


def test_a_gateway_that_counts_from_the_start_again_is_not_believed(house: House) -> None:
    house.turns(1)
    house.sent("east", *range(5))
    house.said("east", 5)
    house.said("west", 0)
    house.turns()
    event = verdict(77, NOW + 9000)
    house.topics.put("verdicts", "east", Entry(SCORER, 0, NOW + 9000, event))
    house.turns()
    assert "east has begun anew" in house.trouble
    house.said("east", 1)
    house.sent("east", 6)
    house.turns()
    assert house.sequences("east") == list(range(5))
    assert house.forwarded[f"{SCORER}@east"] == NOW + 4005
    house.again("east", "west")
    house.turns(1)
    house.topics.put("progress", "east", Entry("relay", 0, NOW, anew(1)))
    house.turns()  # also by its word alone
    assert "east has begun anew" in house.trouble
    assert house.forwarded[f"{SCORER}@east"] == NOW + 4005


def anew(end: int) -> ProgressV1:
    return ProgressV1("w", NOW, "verdicts", {SCORER: Known(end, NOW + 20_000, NOW + 20_000)})


def test_a_word_that_is_older_than_what_is_here_is_no_new_beginning(house: House) -> None:
    house.turns(1)
    house.sent("east", *range(8))
    word = ProgressV1("w", NOW, "verdicts", {SCORER: Known(3, NOW + 1002, NOW + 502)})
    house.topics.put("progress", "east", Entry("relay", 0, NOW, word))  # said after the third, read after the last
    house.turns()
    assert house.sequences("east") == list(range(8))
    assert "begun anew" not in house.trouble


def test_what_we_sent_ourselves_is_nothing_to_count(house: House) -> None:
    house.gather._own = "north"
    house.turns(1)
    house.sent("north", 0)
    house.turns()
    assert house.meters.counter(GATHER_IGNORED, "gateway").value == 0


def test_how_far_behind_each_gateway_is_can_be_seen(house: House) -> None:
    house.turns(1)
    house.said("east", 0)
    house.turns(1)
    assert house.meters.gauge(GATHER_LAG, "east").value == pytest.approx((house.clock.us - NOW - 5000) / 1e6)
    house.clock.advance(300)
    house.turns(1)
    assert house.meters.gauge(GATHER_LAG, "east").value > 300, "it is silent since"


def test_a_restart_does_not_hide_how_far_behind_somebody_is(house: House) -> None:
    house.clock.advance(3600)
    house.again("east", "west")
    house.turns(1)
    house.said("east", 0)
    house.turns(1)
    assert house.meters.gauge(GATHER_LAG, "east").value > 3000


def test_feedback_has_words_of_its_own(house: House) -> None:
    house.turns(1)
    house.topics.put("feedback", "east", Entry("proxy-0", 1, NOW + 1001, feedback(1)))
    house.said("east", 2, "feedback", "proxy-0")
    house.said("east", 2, "nonsense")
    house.turns()
    batch = house.reader.read("feedback", {}, 10)
    assert [each.sequence for each in batch.entries] == [1]
    assert batch.watermarks == {"proxy-0@east": NOW + 5002}
