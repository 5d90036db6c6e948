"""The recorder's steps, taken by the test instead of the writer thread."""

import asyncio
from pathlib import Path

import pytest

from gateway.events.counted import DISK_FULL, LOG_FAILED, QUEUE_FULL, SHUTDOWN
from gateway.proxy import recorder
from gateway.proxy.recorder import RECORD_OVERHEAD, Policy, Recorder
from gateway.telemetry.metrics import DROPPED, PRODUCED, STARTED, Meters
from tests.support.events import exchange
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import FailingLog, meters


@pytest.fixture
def its_meters(tmp_path: Path) -> Meters:
    return meters(tmp_path)


@pytest.fixture
def log() -> FailingLog:
    return FailingLog()


def made(log: FailingLog, its_meters: Meters, policy: Policy = "batched", queue_bytes: int = 1 << 20) -> Recorder:
    return Recorder(log, its_meters, policy, queue_bytes, ManualClock())


QUEUED = RECORD_OVERHEAD + 4


def record(its: Recorder, count: int) -> None:
    for number in range(count):
        its.started()
        its.record(exchange(number, response=b"{}", request=b"{}"))


def dropped(its_meters: Meters, reason: str) -> float:
    return its_meters.counter(DROPPED, "exchanges", reason).value


def test_what_is_queued_is_committed_as_one_group(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters)
    record(its, 5)
    assert its.ledger.on_its_way == 5
    its.commit()
    assert log.groups == [5]
    assert [event.id for event in log.events] == [exchange(number).id for number in range(5)]
    assert its_meters.counter(STARTED, "exchanges").value == 5
    assert its_meters.counter(PRODUCED, "exchanges").value == 5
    assert its.ledger.on_its_way == 0


def test_groups_are_bounded(log: FailingLog, its_meters: Meters, monkeypatch: pytest.MonkeyPatch) -> None:
    its = made(log, its_meters)
    monkeypatch.setattr(recorder, "GROUP_EXCHANGES", 3)
    record(its, 7)
    its.commit()
    assert log.groups == [3, 3, 1]
    monkeypatch.setattr(recorder, "GROUP_BYTES", 3000)
    record(its, 3)
    its.commit()
    assert log.groups[3:] == [2, 1]


def test_a_full_queue_drops_and_counts(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters, queue_bytes=3 * QUEUED)
    record(its, 5)
    assert dropped(its_meters, QUEUE_FULL) == 2
    its.commit()
    record(its, 1)
    its.commit()
    assert len(log.events) == 4
    assert its.ledger.on_its_way == 0


def test_a_full_log_drops_and_counts_when_batched(log: FailingLog, its_meters: Meters) -> None:
    log.room = 2
    its = made(log, its_meters)
    record(its, 3)
    its.commit()
    assert dropped(its_meters, DISK_FULL) == 3
    assert its.accepts()
    assert its.warnings
    log.room = 100
    record(its, 2)
    its.commit()
    assert len(log.events) == 2
    assert not its.warnings


def test_a_full_log_refuses_and_keeps_when_strict(log: FailingLog, its_meters: Meters) -> None:
    log.room = 0
    its = made(log, its_meters, "strict")
    assert its.accepts()
    record(its, 3)
    its.commit()
    its.commit()
    assert not its.accepts()
    assert its.ledger.on_its_way == 3
    record(its, 2)
    log.room = 100
    its.commit()
    its.commit()
    assert its.accepts()
    assert len(log.events) == 5
    assert its.ledger.total_dropped == 0


def test_strict_refuses_before_its_queue_is_full(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters, "strict", queue_bytes=10 * QUEUED)
    record(its, 5)
    assert its.accepts()
    record(its, 1)
    assert not its.accepts()
    its.commit()
    assert its.accepts()


def test_an_engine_that_breaks_is_counted_and_ends_nothing(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters)
    log.broken = True
    record(its, 2)
    its.commit()
    assert dropped(its_meters, LOG_FAILED) == 2
    log.broken = False
    record(its, 1)
    its.commit()
    assert len(log.events) == 1


def test_ticks_are_a_quarter_of_a_second_apart(log: FailingLog, its_meters: Meters) -> None:
    clock = ManualClock()
    its = Recorder(log, its_meters, "batched", 1 << 20, clock)
    for _ in range(10):
        its.tick()
        clock.advance(0.125)
    assert log.ticks == 5


def test_close_commits_what_is_queued(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters)
    its.start()
    record(its, 10)
    asyncio.run(its.close(5.0))
    assert len(log.events) == 10
    assert its.ledger.on_its_way == 0
    record(its, 1)
    assert dropped(its_meters, SHUTDOWN) == 1, "too late, and counted"


def test_close_with_a_full_log_counts_the_loss_under_either_policy(tmp_path: Path) -> None:
    policies: tuple[Policy, ...] = ("batched", "strict")
    for policy in policies:
        its_meters = meters(tmp_path / policy)
        its = made(FailingLog(room=0), its_meters, policy)
        its.start()
        record(its, 4)
        asyncio.run(its.close(5.0))
        assert dropped(its_meters, DISK_FULL) == 4
        assert its.ledger.on_its_way == 0


def test_what_no_writer_took_by_the_deadline_is_dropped_at_shutdown(log: FailingLog, its_meters: Meters) -> None:
    its = made(log, its_meters)  # never started: a writer that does not come to it
    record(its, 4)
    asyncio.run(its.close(0.0))
    assert dropped(its_meters, SHUTDOWN) == 4
    assert its.ledger.on_its_way == 0


def test_an_exchange_that_began_and_never_ended_is_booked_as_a_crash_by_the_next_run(
    log: FailingLog, its_meters: Meters
) -> None:
    its = made(log, its_meters)
    record(its, 3)
    its.commit()
    its.started()
    record(its, 2)
    assert made(log, its_meters).reconcile().crash == 3
    assert its.ledger.on_its_way == 0
    assert not any(made(log, its_meters).reconcile())
