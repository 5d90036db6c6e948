"""A disk that is really full: nothing half-appended, and it goes on by itself when there is room again."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.events import ledger
from gateway.events.dead_letters import DeadLetters
from gateway.events.policy import StreamPolicy
from gateway.events.relay import StreamRelay
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import Entry, LogFull
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import exchange, verdict
from tests.support.sink import FakeSink
from tests.support.small_disk import fill as fill_up
from tests.support.small_disk import small_disk

ROLLING: dict[Stream, StreamPolicy] = {"exchanges": StreamPolicy(roll_bytes=300_000)}


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", 2) as folder:
        yield folder


def fill(log: SqliteEventLog) -> None:
    """Until the disk is full, in appends of ever fewer bytes."""
    for size in (100_000, 10_000, 1_000):
        with pytest.raises(LogFull, match="cannot be written"):
            append_for_ever(log, size)


def append_for_ever(log: SqliteEventLog, size: int) -> None:
    while True:
        number = log.appended("exchanges")
        log.append(
            "exchanges", [exchange(number, os.urandom(size)), exchange(number + 1)], {"feedback": {"x": number}}
        )


def check(log: SqliteEventLog) -> None:
    """What is there is what was appended, in pairs, with the position that came along."""
    entries: list[Entry] = []
    positions: dict[str, int] = {}
    while (batch := log.read("exchanges", positions, 10)).entries:
        entries += batch.entries
        positions = batch.positions
    count = log.appended("exchanges")
    assert [entry.event.id for entry in entries] == [f"{number:032x}" for number in range(count)]
    assert count % 2 == 0
    assert log.consumed("feedback") == {"x": count - 2}


def test_a_relay_that_cannot_note_what_it_delivered_delivers_it_again(small_disk: Path, tmp_path: Path) -> None:
    ballast = small_disk / "ballast"
    sink = FakeSink()
    with (
        closing(SqliteEventLog(small_disk / "log", "p", SystemClock())) as log,
        relay_over(small_disk, sink) as relay,
    ):
        log.append("verdicts", [verdict(number) for number in range(10)])
        relay.step()
        log.append("verdicts", [verdict(number) for number in range(10, 20)])
        fill_up(ballast)
        with pytest.raises(LogFull, match="/audit/relay/"):  # by its own segment's path
            note_until_full(relay, log)
        ballast.unlink()
        while relay.step():
            pass
        end = log.appended("verdicts")
    assert list(dict.fromkeys(sink.sequences())) == list(range(end))
    account = ledger.read(small_disk / "log", tmp_path / "none", {"verdicts": frozenset({"relay"})})["verdicts"]
    assert account.consumers["relay"] == ledger.Delivery(delivered=end, spooled=0, lost=0)


def note_until_full(relay: StreamRelay, log: SqliteEventLog) -> None:
    """A note is small, and what was preallocated takes a few."""
    for _ in range(1000):
        relay.step()
        with suppress(LogFull):
            log.append("verdicts", [verdict(log.appended("verdicts"))])


@contextmanager
def relay_over(folder: Path, sink: FakeSink) -> Iterator[StreamRelay]:
    meters = Meters(CounterFile.open(folder / "relay.bin"))
    with closing(SqliteEventLog(folder / "log", "relay", SystemClock())) as events, closing(meters.file):
        letters = DeadLetters(folder / "dead.jsonl")
        yield StreamRelay("verdicts", events, sink, letters, meters, SystemClock())


@pytest.mark.parametrize("policy", [None, ROLLING])
def test_a_full_disk_changes_nothing_and_heals_by_itself(
    small_disk: Path, policy: dict[Stream, StreamPolicy] | None
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(800_000))
    log = SqliteEventLog(small_disk / "log", "p", SystemClock(), policy=policy)
    fill(log)
    full_at = log.appended("exchanges")
    assert full_at > 4
    log.tick("exchanges")
    check(log)
    ballast.unlink()
    log.append("exchanges", [exchange(full_at), exchange(full_at + 1)], {"feedback": {"x": full_at}})
    check(log)
    fill(log)
    log.close()
    log = SqliteEventLog(small_disk / "log", "p", SystemClock(), policy=policy)
    check(log)
    log.close()


def test_a_disk_that_is_full_at_the_start_is_a_full_log(small_disk: Path) -> None:
    fill_up(small_disk / "ballast")
    log = SqliteEventLog(small_disk / "log", "p", SystemClock())
    with pytest.raises(LogFull, match="cannot be written"):
        log.append("exchanges", [exchange(0)])
    (small_disk / "ballast").unlink()
    log.append("exchanges", [exchange(0), exchange(1)], {"feedback": {"x": 0}})
    check(log)
    log.close()


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow over 400 KB: what a quota does, and anyone may set it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_quota_is_a_full_log(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log", "p", SystemClock())
    with pytest.raises(LogFull, match="cannot be written"):
        append_for_ever(log, 150_000)
    check(log)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    count = log.appended("exchanges")
    log.append("exchanges", [exchange(count), exchange(count + 1)], {"feedback": {"x": count}})
    check(log)
    log.close()
