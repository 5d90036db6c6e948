from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.controller.feedback import FeedbackReader
from gateway.controller.feedback_index import Feedback, FeedbackIndex, Mark
from gateway.controller.index import ExchangeIndex
from gateway.events.schema import FeedbackV1, VerdictV1
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import FEEDBACK_ERRORS, Meters
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import START, entries, verdict_event

LATE = START * 2
"""Behind whatever these tests write."""


def said(identifier: str, exchange: VerdictV1, metric: str = "thumbs", value: float = 1.0) -> FeedbackV1:
    return FeedbackV1(identifier, exchange.exchange_id, metric, value, START)


class Setup:
    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.clock = ManualClock(START)
        self.store = MemoryStore()
        self.proxy = self.log("proxy-0")
        self.file = CounterFile.open(tmp_path / "controller.bin")
        self.meters = Meters(self.file)
        self.index = ExchangeIndex.open(tmp_path / "index.sqlite", self.clock)
        self.feedback = FeedbackIndex.open(tmp_path / "feedback.sqlite", self.clock)

    def log(self, producer: str) -> MemoryEventLog:
        return MemoryEventLog(self.store, producer, self.clock)

    def reader(self) -> FeedbackReader:
        return FeedbackReader(self.log("controller"), self.feedback, self.index, self.meters)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    setup = Setup(tmp_path)
    yield setup
    setup.feedback.close()
    setup.index.close()
    setup.file.close()


def test_the_same_counts_once_however_often_it_comes(setup: Setup) -> None:
    exchange = verdict_event(1)
    (first_us,) = setup.proxy.append("feedback", [said("a", exchange)])
    reader = setup.reader()
    assert (reader.step(), reader.step()) == (1, 0)
    setup.log("proxy-1").append("feedback", [said("a", exchange, value=0.0)])
    assert setup.reader().step() == 1
    assert setup.feedback.of(exchange.exchange_id) == [
        Feedback("a", exchange.exchange_id, "thumbs", 1.0, first_us, first=True)
    ]
    assert setup.log("controller").consumed("feedback") == {"proxy-0": 1, "proxy-1": 1}


def test_only_the_first_word_of_a_metric_counts(setup: Setup) -> None:
    exchange = verdict_event(1)
    setup.proxy.append("feedback", [said("b", exchange), said("a", exchange), said("c", exchange, "stars")])
    setup.reader().step()
    found = {one.id: one.first for one in setup.feedback.of(exchange.exchange_id)}
    assert found == {"b": True, "a": False, "c": True}


def test_it_is_offered_in_canonical_order_with_its_exchange(setup: Setup) -> None:
    known, unknown = verdict_event(1, arm="canary", unit="bob"), verdict_event(2)
    setup.index.add(entries([known]), {})
    other = setup.log("proxy-1")
    times: list[int] = []
    for number, log in enumerate((setup.proxy, other, setup.proxy, other)):
        setup.clock.advance(1.0)
        exchange = known if number < 3 else unknown
        times += log.append("feedback", [said(f"f{number}", exchange), said(f"x{number}", exchange, "ignored")])[:1]
    reader = setup.reader()
    while reader.step():
        pass
    found = reader.joined(["thumbs"], Mark(0), LATE, 10)
    assert [one.feedback.id for one in found] == ["f0", "f1", "f2", "f3"]
    assert [one.feedback.time_us for one in found] == times
    assert [one.exchange for one in found] == [known, known, known, None]
    after = Mark(found[1].feedback.time_us, found[1].feedback.id)
    assert [one.feedback.id for one in reader.joined(["thumbs"], after, LATE, 1)] == ["f2"]
    assert [one.feedback.id for one in reader.joined(["thumbs"], after, times[2], 10)] == ["f2"]
    assert reader.joined([], Mark(0), LATE, 10) == []


def test_how_far_each_producer_is_known(setup: Setup) -> None:
    setup.proxy.append("feedback", [said("a", verdict_event(1))])
    other = setup.log("proxy-1")
    other.append("feedback", [said("b", verdict_event(1))])
    setup.clock.advance(1.0)
    other.tick("feedback")
    reader = setup.reader()
    reader.step()
    assert reader.watermarks["proxy-1"] == setup.clock.now_us()
    assert reader.watermarks["proxy-0"] < setup.clock.now_us()


def test_what_is_lost_is_made_anew_from_the_log(setup: Setup) -> None:
    setup.proxy.append("feedback", [said(f"{number}", verdict_event(number)) for number in range(3)])
    setup.reader().step()
    setup.feedback.close()
    (setup.path / "feedback.sqlite").write_bytes(b"no database " * 100)
    for more in ("-wal", "-shm"):
        (setup.path / f"feedback.sqlite{more}").unlink(missing_ok=True)
    setup.feedback = FeedbackIndex.open(setup.path / "feedback.sqlite", setup.clock)
    assert setup.reader().step() == 3
    assert len(setup.reader().joined(["thumbs"], Mark(0), LATE, 10)) == 3


def test_a_failure_is_counted_and_nothing_is_passed_over(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.proxy.append("feedback", [said("a", verdict_event(1))])
    reader = setup.reader()
    with monkeypatch.context() as patched:

        def full(*_: object) -> int:
            raise OSError("no space left")

        patched.setattr(setup.feedback, "add", full)
        with pytest.raises(OSError, match="no space"):
            reader.step()
    assert setup.meters.counter(FEEDBACK_ERRORS).value == 1
    assert reader.step() == 1


def test_old_feedback_goes(setup: Setup) -> None:
    setup.proxy.append("feedback", [said("a", verdict_event(1))])
    setup.clock.advance(10.0)
    setup.proxy.append("feedback", [said("b", verdict_event(2))])
    reader = setup.reader()
    reader.step()
    assert setup.feedback.purge(START + 5_000_000) == 1
    assert setup.feedback.purge(START + 5_000_000) == 0
    assert [one.feedback.id for one in reader.joined(["thumbs"], Mark(0), LATE, 10)] == ["b"]


def test_an_exchange_shows_what_was_said_of_it(controller: Controller) -> None:
    exchange = verdict_event(1)
    controller.index.add(entries([exchange]), {})
    log = MemoryEventLog(MemoryStore(), "proxy-0", controller.clock)
    log.append("feedback", [said("a", exchange, value=0.25), said("b", exchange)])
    batch = log.read("feedback", {}, 10)
    assert controller.feedback.add(batch.entries, batch.positions) == 2
    shown = controller.get(f"/api/v1/exchanges/{exchange.exchange_id}")["feedback"]
    assert [(one["id"], one["metric"], one["value"], one["counts"]) for one in shown] == [
        ("a", "thumbs", 0.25, True),
        ("b", "thumbs", 1.0, False),
    ]
