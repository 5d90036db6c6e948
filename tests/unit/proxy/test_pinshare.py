"""What one worker pins, the others know."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.proxy.pins import Pin
from gateway.proxy.pinshare import SharedPins, exchange
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import PINS_LOST, Meters

PIN = Pin("assistant", "canary", "http://127.0.0.1:8002")


Workers = Callable[[int], list[SharedPins]]


@pytest.fixture
def meters(tmp_path: Path) -> Meters:
    return Meters(CounterFile.open(tmp_path / "proxy-0.bin"))


@pytest.fixture
def workers(meters: Meters) -> Iterator[Workers]:
    made: list[SharedPins] = []

    def make(count: int) -> list[SharedPins]:
        sockets = exchange(count)
        made.extend(SharedPins(inbox, [way.dup() for way in others], meters) for inbox, others in sockets)
        for way in {way for _, others in sockets for way in others}:
            way.close()
        return made

    yield make
    for each in made:
        each.close()


def test_a_response_made_through_one_worker_is_found_through_each(workers: Workers) -> None:
    first, second, third = workers(3)
    second.put("resp_1", PIN)
    for worker in (first, third):
        worker.hear()
        assert worker.get("resp_1") == PIN
    first.forget("resp_1")
    for worker in (second, third):
        worker.hear()
        assert worker.get("resp_1") is None


def test_a_worker_that_does_not_listen_costs_a_count_and_no_wait(workers: Workers, meters: Meters) -> None:
    first, second = workers(2)
    lost = meters.counter(PINS_LOST)
    number = 0
    while not lost.value:
        number += 1
        first.put(f"resp_{number}", PIN)
    for _ in range(number):
        second.hear()
    assert second.get("resp_1") == PIN
    assert second.get(f"resp_{number}") is None
    assert first.get(f"resp_{number}") == PIN
