"""Sending spans: nobody waits, nothing is lost without being counted."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import SPANS_DROPPED, SPANS_EXPORTED, SPANS_STARTED, Meters
from gateway.telemetry.spans import SpanSender
from tests.support.wait import until


class FakeExporter:
    """Takes spans once `open` is set; `fault`: how it fails."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.got: list[ReadableSpan] = []
        self.ended = False
        self.fault = ""
        self.rejects = 0

    def export(self, spans: Sequence[ReadableSpan]) -> int:
        self.busy.set()
        self.open.wait()
        if self.fault == "breaks":
            raise ValueError("a span that cannot be written")
        if self.fault == "refuses":
            return 0
        self.got += spans[: len(spans) - self.rejects]
        return len(spans) - self.rejects

    def shutdown(self) -> None:
        self.ended = True


class House:
    """A sender over a counter file."""

    def __init__(self, file: Path) -> None:
        self.file = CounterFile.open(file)
        self.meters = Meters(self.file)
        self.exporter = FakeExporter()
        self.sender = SpanSender(self.exporter, self.meters)

    def numbers(self) -> tuple[float, float]:
        return self.meters.counter(SPANS_STARTED).value, self.meters.counter(SPANS_EXPORTED).value

    def dropped(self, reason: str) -> float:
        return self.meters.counter(SPANS_DROPPED, reason).value


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "scorer.bin")
    yield house
    house.exporter.open.set()
    house.sender.close(10)
    house.file.close()


def spans(count: int) -> list[ReadableSpan]:
    return [ReadableSpan(f"span {number}") for number in range(count)]


def test_all_are_sent_in_order(house: House) -> None:
    house.exporter.open.set()
    house.sender.start()
    house.sender.offer(made := spans(600))
    until(lambda: house.numbers() == (600, 600), 10, "all are sent")
    assert house.exporter.got == made


def test_a_full_queue_drops_the_newest(house: House) -> None:
    house.sender.start()
    house.sender.offer(spans(1))
    assert house.exporter.busy.wait(10)
    house.sender.offer(spans(5000))
    assert house.numbers() == (5001, 0)
    assert house.dropped("queue_full") == 5001 - 4096
    house.exporter.open.set()
    until(lambda: house.numbers() == (5001, 4096), 10, "what waited is sent")


@pytest.mark.parametrize("fault", ["refuses", "breaks"])
def test_what_the_collector_does_not_take_is_counted(house: House, fault: str) -> None:
    house.exporter.fault = fault
    house.exporter.open.set()
    house.sender.start()
    house.sender.offer(spans(3))
    until(lambda: house.dropped("not_taken") == 3, 10, "they are dropped")
    house.exporter.fault = ""
    house.sender.offer(spans(2))
    until(lambda: house.numbers() == (5, 2), 10, "the next are sent")


def test_some_of_them_may_be_rejected(house: House) -> None:
    house.exporter.rejects = 2
    house.exporter.open.set()
    house.sender.start()
    house.sender.offer(spans(5))
    until(lambda: house.numbers() == (5, 3), 10, "three are taken")
    assert house.dropped("not_taken") == 2


def test_the_end_sends_what_waits(house: House) -> None:
    house.exporter.open.set()
    house.sender.offer(spans(300))
    house.sender.start()
    house.sender.close(10)
    assert house.numbers() == (300, 300)
    assert house.exporter.ended


def test_the_end_does_not_wait_for_ever(house: House) -> None:
    house.sender.start()
    house.sender.offer(spans(3))
    assert house.exporter.busy.wait(10)
    house.sender.close(0.01)
    assert house.dropped("shutdown") == 3
    house.exporter.open.set()
    house.sender.close(10)
    assert house.numbers() == (3, 0), "what was counted as dropped is not counted again"


def test_what_waited_at_a_kill_is_counted_at_the_next_start(tmp_path: Path) -> None:
    first = House(tmp_path / "scorer.bin")
    first.sender.offer(spans(7))
    first.file.close()  # its thread never ran: as after a kill
    second = House(tmp_path / "scorer.bin")
    assert second.numbers() == (7, 0)
    assert second.dropped("crash") == 7
    third = House(tmp_path / "scorer.bin")
    assert third.dropped("crash") == 7
    second.file.close()
    third.file.close()


def test_an_end_that_does_not_wait_leaves_nothing_that_counts(tmp_path: Path) -> None:
    house = House(tmp_path / "scorer.bin")
    house.sender.start()
    house.sender.offer(spans(3))
    assert house.exporter.busy.wait(10)
    house.sender.close(0.01)
    house.file.close()
    house.exporter.open.set()
    house.sender._thread.join(10)  # an error of the thread would fail the test
