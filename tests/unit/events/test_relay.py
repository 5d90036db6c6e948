"""The relay over a sink that fails as told: every event at least once, in order, and none without an account."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from gateway.events import ledger
from gateway.events.dead_letters import DeadLetter, DeadLetters
from gateway.events.ledger import Delivery
from gateway.events.policy import StreamPolicy
from gateway.events.relay import Relay, StreamRelay, gaps
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import Batch, BrokersAway, Entry, LogFull
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import RELAY_ERRORS, RELAY_LAG, Meters
from tests.support.events import audit, feedback, verdict
from tests.support.sink import FakeSink
from tests.unit.events.conftest import Bench

STREAMS: tuple[Stream, ...] = ("verdicts", "feedback")
RELAY = frozenset({"relay"})
PATIENT: Mapping[Stream, frozenset[str]] = dict.fromkeys(STREAMS, RELAY)


class House:
    """A relay with its files. `again`: as its restarted process would."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self.sinks = {stream: FakeSink() for stream in STREAMS}
        self.sink = self.sinks["verdicts"]
        folder.mkdir()
        self.meters = Meters(CounterFile.open(folder / "relay.bin"))
        self.again()

    def again(self) -> None:
        if hasattr(self, "events"):
            self.events.close()
        self.events: SqliteEventLog = self.bench.open("relay")
        letters, clock = DeadLetters(self.folder / "letters" / "dead.jsonl"), self.bench.clock
        streams = [
            StreamRelay(stream, self.events, self.sinks[stream], letters, self.meters, clock) for stream in STREAMS
        ]
        self.verdicts = streams[0]
        trouble = self.folder / "status" / "relay.trouble"
        self.relay = Relay(self.events, streams, trouble=trouble, meters=self.meters, clock=clock)

    @property
    def trouble(self) -> str:
        return (self.folder / "status" / "relay.trouble").read_text()

    def letters(self) -> list[DeadLetter]:
        lines = (self.folder / "letters" / "dead.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=DeadLetter) for line in lines]

    def account(self, stream: Stream = "verdicts") -> Delivery:
        found = ledger.read(self.bench.root, self.folder / "none", PATIENT)[stream]
        assert found.balanced
        return found.consumers["relay"]

    def turn(self) -> int:
        return self.relay.turn(threading.Event())


@pytest.fixture
def house(bench: Bench, tmp_path: Path) -> Iterator[House]:
    made = House(bench, tmp_path / "relay")
    yield made
    made.meters.file.close()


def test_every_stream_goes_in_order_and_nothing_goes_twice(bench: Bench, house: House) -> None:
    log = bench.open()
    log.append("verdicts", [verdict(number) for number in range(2500)])
    log.append("feedback", [feedback(1)])
    log.append("audit", [audit(1)])  # not asked for
    assert [house.turn() for _ in range(4)] == [1001, 1000, 500, 0]
    house.again()
    assert house.turn() == 0
    log.append("verdicts", [verdict(9999)])
    assert house.turn() == 1
    assert house.sink.sequences() == list(range(2501))
    assert house.sinks["feedback"].sequences() == [0]
    assert house.account() == Delivery(delivered=2501, spooled=0, lost=0)


def test_what_a_sink_did_not_acknowledge_is_spooled_and_goes_again(bench: Bench, house: House) -> None:
    log = bench.open()
    log.append("verdicts", [verdict(number) for number in range(10)])
    house.sink.down, house.sink.takes_first = "the broker is away", 4
    with pytest.raises(BrokersAway):
        house.verdicts.step()
    assert house.account() == Delivery(delivered=0, spooled=10, lost=0)
    house.again()  # killed in the middle
    house.sink.down = ""
    assert house.verdicts.step() == 10
    assert house.sink.sequences() == [0, 1, 2, 3, *range(10)]
    assert house.account() == Delivery(delivered=10, spooled=0, lost=0)


def test_trouble_is_told_counted_and_taken_back(bench: Bench, house: House) -> None:
    log = bench.open()
    house.turn()
    assert house.trouble == ""
    log.append("verdicts", [verdict(0)])
    bench.clock.advance(30)
    house.sink.down = "the broker is away"
    house.turn()
    assert house.trouble == "the broker is away"
    assert house.meters.counter(RELAY_ERRORS, "test").value == 1
    assert house.meters.gauge(RELAY_LAG).value == pytest.approx(30)
    house.sink.down = ""
    house.turn()  # not due yet: it waits a little longer after each failure
    assert house.trouble == "the broker is away"
    bench.clock.advance(1)
    house.turn()
    assert (house.trouble, house.sink.sequences()) == ("", [0])
    house.turn()
    assert house.meters.gauge(RELAY_LAG).value == 0


def test_what_is_wrong_is_known_before_the_first_event(house: House) -> None:
    house.sink.down = "no such topic"
    house.turn()
    assert house.trouble == "no such topic"


def test_a_stream_that_gets_nowhere_holds_up_no_other(bench: Bench, house: House) -> None:
    log = bench.open()
    house.sink.down = "no right to write"
    for number in range(3):
        log.append("verdicts", [verdict(number)])
        log.append("feedback", [feedback(number)])
        assert house.turn() == 1
        bench.clock.advance(30)
    assert house.trouble == "no right to write"
    assert house.meters.gauge(RELAY_LAG).value == pytest.approx(60)
    assert house.account("feedback") == Delivery(delivered=3, spooled=0, lost=0)
    assert house.account("verdicts") == Delivery(delivered=0, spooled=3, lost=0)
    assert house.sinks["feedback"].sequences() == [0, 1, 2]  # none twice


def test_at_the_end_it_goes_on_with_what_is_left_where_it_gets_somewhere(bench: Bench, house: House) -> None:
    log = bench.open()
    log.append("verdicts", [verdict(number) for number in range(3500)])
    log.append("feedback", [feedback(1)])
    house.sinks["feedback"].down = "no right to write"
    house.relay.drain()
    assert house.sink.sequences() == list(range(3500))
    assert house.meters.counter(RELAY_ERRORS, "test").value == 1


def test_the_end_has_an_end(bench: Bench, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.open().append("verdicts", [verdict(number) for number in range(3500)])
    deliver = house.sink.deliver

    def slowly(entries: Sequence[Entry]) -> dict[int, str]:
        bench.clock.advance(6)
        return deliver(entries)

    monkeypatch.setattr(house.sink, "deliver", slowly)
    house.relay.drain()
    assert house.sink.sequences() == list(range(2000))


def test_what_nobody_takes_is_set_aside_and_the_rest_goes_on(bench: Bench, house: House) -> None:
    bench.open().append("verdicts", [verdict(number) for number in range(5)])
    house.sink.never = {verdict(number).id: "too large by half" for number in (1, 2, 4)}
    assert house.verdicts.step() == 5
    assert house.sink.sequences() == [0, 3]
    assert house.account() == Delivery(delivered=2, spooled=0, lost=3)
    assert bench.losses == [("verdicts", "refused", 1)] * 3
    letters = house.letters()
    assert [(letter.sequence, letter.id) for letter in letters] == [(n, verdict(n).id) for n in (1, 2, 4)]
    assert {(letter.stream, letter.producer, letter.reason) for letter in letters} == {
        ("verdicts", "p", "too large by half")
    }
    assert verdict(1).key not in str(letters)  # whose they were is not in there


def test_a_file_of_dead_letters_is_bounded(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "relay" / "dead.jsonl", max_bytes=2000)
    for _ in range(100):
        letters.add("verdicts", Entry("p", 0, 1, verdict(0)), "why", 1)
    files = {path.name: path.stat().st_size for path in (tmp_path / "relay").iterdir()}
    assert files.keys() <= {"dead.jsonl", "dead.jsonl.1"}
    assert sum(files.values()) < 5000


SMALL: Mapping[Stream, StreamPolicy] = {
    "verdicts": StreamPolicy(roll_bytes=20_000, max_bytes=100_000, keep_seconds=60),
    "audit": StreamPolicy(),
}


def fill(log: SqliteEventLog) -> None:
    for number in range(400):
        log.append("verdicts", [verdict(number)])


def test_where_there_is_no_room_the_log_goes_on_and_the_relay_counts_what_it_never_had(
    bench: Bench, house: House
) -> None:
    log = bench.open(policy=SMALL, patient=PATIENT)
    fill(log)
    first = bench.segments("verdicts")[0]
    assert first > 0
    assert house.verdicts.step() == 400 - first
    assert house.account() == Delivery(delivered=400 - first, spooled=0, lost=first)
    assert bench.losses == [("verdicts", "purged", first)]
    house.again()
    assert house.verdicts.step() == 0
    assert bench.losses == [("verdicts", "purged", first)]


def test_a_consumer_that_is_not_patient_still_stops_the_log(bench: Bench) -> None:
    log = bench.open(policy=SMALL, consumers={"verdicts": frozenset({"controller"})}, patient=PATIENT)
    with pytest.raises(LogFull):
        fill(log)


def test_age_alone_unlinks_nothing_that_is_still_to_be_relayed(bench: Bench, house: House) -> None:
    log = bench.open(policy=SMALL, patient=PATIENT)
    log.append("verdicts", [verdict(0)])
    log.roll("verdicts")
    bench.clock.advance(61)
    log.tick("verdicts")
    assert bench.segments("verdicts") == [0, 1]
    house.verdicts.step()
    bench.clock.advance(2)
    log.tick("verdicts")
    assert bench.segments("verdicts") == [1]


def test_what_was_set_aside_as_damaged_is_noted_once(bench: Bench, house: House) -> None:
    log = bench.open(patient=PATIENT)
    log.append("verdicts", [verdict(number) for number in range(4)])
    log.close()
    bench.segment(0, "verdicts").write_bytes(b"\x5a" * 16_384 * 3)
    log = bench.open(patient=PATIENT)
    log.append("verdicts", [verdict(4)])
    assert house.verdicts.step() == 1
    assert bench.losses == [("verdicts", "corrupt", 4)]
    assert house.account() == Delivery(delivered=1, spooled=0, lost=4)


@pytest.mark.parametrize(
    ("known", "came", "position", "expected"),
    [
        ({}, [], 0, []),
        ({}, [0, 1, 2], 3, []),
        ({"p": 3}, [3, 4], 5, []),
        ({}, [4], 5, [range(4)]),
        ({"p": 1}, [1, 5], 6, [range(2, 5)]),
        ({"p": 1}, [1], 9, [range(2, 9)]),
        ({"p": 1}, [], 9, [range(1, 9)]),
    ],
)
def test_gaps_are_what_lies_between(
    known: dict[str, int], came: list[int], position: int, expected: list[range]
) -> None:
    entries = tuple(Entry("p", sequence, sequence + 1, verdict(0)) for sequence in came)
    found = list(gaps(known, Batch(entries, {"p": position}, {})))
    assert found == [("p", each) for each in expected]
