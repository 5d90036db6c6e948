"""When segments roll and when they go: by age, by bytes, once consumed, without traffic too."""

import stat

import pytest

from gateway.events.policy import RAW, StreamPolicy, policies
from gateway.events.schema import Stream
from gateway.events.segment import SegmentWriter
from gateway.events.sqlite import SqliteEventLog
from gateway.events.tip import ProducerTaken
from gateway.ports import LogFull
from tests.support.events import audit, exchange
from tests.unit.events.conftest import Bench

CONSUMERS: dict[Stream, frozenset[str]] = {"audit": frozenset({"c"}), "exchanges": frozenset({"c"})}


def under(**policy: float) -> dict[Stream, StreamPolicy]:
    return {"audit": StreamPolicy(**policy), "verdicts": StreamPolicy()}  # type: ignore[arg-type]


def consume(consumer: SqliteEventLog, stream: Stream, position: int) -> None:
    consumer.append("verdicts", (), {stream: {"p": position}})


def test_a_segment_rolls_by_age(bench: Bench) -> None:
    log = bench.open(policy=under(roll_seconds=60))
    log.append("audit", [audit(0)])
    bench.clock.advance(59)
    log.append("audit", [audit(1)])
    assert bench.segments() == [0]
    bench.clock.advance(1)
    log.append("audit", [audit(2)])
    assert bench.segments() == [0, 2]


def test_a_segment_rolls_by_bytes(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=1000))
    for number in range(30):
        log.append("audit", [audit(number)])
    assert len(bench.segments()) > 2
    assert len(log.read("audit", {}, 100).entries) == 30


def test_a_clock_set_back_does_not_stop_rolling(bench: Bench) -> None:
    log = bench.open(policy=under(roll_seconds=60))
    log.append("audit", [audit(0)])
    bench.clock.set_back(7200)
    log.append("audit", [audit(1)])
    assert bench.segments() == [0, 1]


def test_consumed_segments_are_unlinked_with_all_that_belongs_to_them(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=1, keep_seconds=0), consumers=CONSUMERS)
    consumer = bench.open("c", policy=under())
    for number in range(4):
        log.append("audit", [audit(number)])
    consume(consumer, "audit", 2)
    bench.clock.advance(2)
    log.tick("audit")
    assert [first for first in bench.segments() if first < 2] == []
    assert [name for name in bench.files() if int(name[:20]) < 2] == []
    assert [entry.sequence for entry in log.read("audit", {"p": 2}, 10).entries] == [2, 3]


def test_what_one_consumer_has_not_read_stays(bench: Bench) -> None:
    consumers: dict[Stream, frozenset[str]] = {"audit": frozenset({"c", "slow"})}
    log = bench.open(policy=under(roll_bytes=1, keep_seconds=0), consumers=consumers)
    consumer = bench.open("c", policy=under())
    for number in range(4):
        log.append("audit", [audit(number)])
    consume(consumer, "audit", 4)
    bench.clock.advance(2)
    log.tick("audit")
    assert len(log.read("audit", {}, 10).entries) == 4


def test_raw_text_is_gone_within_the_hour_without_any_traffic(bench: Bench) -> None:
    log = bench.open(policy=policies(), consumers=CONSUMERS)
    consumer = bench.open("c")
    log.append("exchanges", [exchange(0, response=b"a secret that must not stay")])
    consume(consumer, "exchanges", 1)
    for _ in range(int(RAW.roll_seconds) + 5):
        bench.clock.advance(1)
        log.tick("exchanges")
    left = b"".join(path.read_bytes() for path in (bench.root / "exchanges" / "p").iterdir())
    assert b"a secret" not in left
    assert log.appended("exchanges") == 1
    files = bench.files("exchanges")
    bench.clock.advance(86_400)
    log.tick("exchanges")
    assert bench.files("exchanges") == files  # an empty segment is left alone


def test_kept_streams_go_by_age_though_consumed(bench: Bench) -> None:
    log = bench.open(policy=under(roll_seconds=60, keep_seconds=1000), consumers=CONSUMERS)
    consumer = bench.open("c", policy=under())
    log.append("audit", [audit(0)])
    bench.clock.advance(61)
    log.append("audit", [audit(1)])
    consume(consumer, "audit", 2)
    bench.clock.advance(900)
    log.tick("audit")
    assert 0 in bench.segments()
    bench.clock.advance(100)
    log.tick("audit")
    assert 0 not in bench.segments()


def test_the_byte_bound_is_a_full_log_until_a_consumer_catches_up(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=2000, max_bytes=100_000), consumers=CONSUMERS)
    consumer = bench.open("c", policy=under())
    with pytest.raises(LogFull, match="consumers are behind"):
        fill(log, 10_000)
    appended = log.appended("audit")
    assert appended > 20
    assert len(log.read("audit", {}, 100_000).entries) == appended
    consume(consumer, "audit", appended - 1)
    log.append("audit", [audit(0)])  # though it is not yet old enough to be let go
    assert log.appended("audit") == appended + 1


def fill(log: SqliteEventLog, count: int) -> None:
    for number in range(count):
        log.append("audit", [audit(number)])


def test_what_was_purged_is_not_given_again(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=1, keep_seconds=0), consumers=CONSUMERS)
    consumer = bench.open("c", policy=under())
    for number in range(3):
        log.append("audit", [audit(number)])
    consume(consumer, "audit", 3)
    bench.clock.advance(2)
    log.tick("audit")
    log.close()
    log = bench.open()
    assert log.appended("audit") == 3
    log.append("audit", [audit(3)])
    assert [entry.sequence for entry in log.read("audit", {"p": 3}, 10).entries] == [3]


def test_a_late_reader_starts_at_what_there_is(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=1, keep_seconds=0), consumers=CONSUMERS)
    for number in range(3):
        log.append("audit", [audit(number)])
    consume(bench.open("c", policy=under()), "audit", 2)
    bench.clock.advance(2)
    log.tick("audit")
    batch = bench.open("newcomer").read("audit", {}, 10)
    assert ([entry.sequence for entry in batch.entries], batch.positions) == ([2], {"p": 3})


def test_consumed_positions_move_into_the_new_segment(bench: Bench) -> None:
    log = bench.open(policy=under(roll_seconds=60))
    log.append("audit", [audit(0)], {"exchanges": {"proxy-0": 5}})
    bench.clock.advance(61)
    log.append("audit", [audit(1)])
    log.close()
    bench.segment(0).unlink()
    (bench.root / "positions" / "p" / "exchanges" / "proxy-0").unlink()
    assert bench.open().consumed("exchanges") == {"proxy-0": 5}


def test_nobody_else_can_read_the_files(bench: Bench) -> None:
    log = bench.open()
    log.append("audit", [audit(0)], {"exchanges": {"x": 1}})
    log.read("audit", {}, 1)
    for path in bench.root.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_second_writer_of_the_same_name_is_refused(bench: Bench) -> None:
    bench.open().append("audit", [audit(0)])
    with pytest.raises(ProducerTaken, match="another process"):
        bench.open()


def test_a_log_without_a_producer_only_reads(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="only reads"):
        bench.open(None).append("audit", [audit(0)])


def test_a_kept_segment_that_cannot_be_looked_into_stays(bench: Bench) -> None:
    """A full disk refuses even readers: that is no reason to unlink what is to be kept."""
    log = bench.open(policy=under(roll_bytes=1))
    fill(log, 2)
    log.close()
    log = bench.open(policy=under(roll_bytes=1))
    hidden = bench.segment(0).rename(bench.root / "hidden")
    bench.segment(0).mkdir()
    bench.clock.advance(2)
    log.tick("audit")
    bench.segment(0).rmdir()
    hidden.rename(bench.segment(0))
    assert 0 in log._writers["audit"]._purge._sizes


def test_a_segment_that_could_not_be_begun_is_begun_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    log = bench.open(policy=under(roll_bytes=1))
    log.append("audit", [audit(0)])

    def full(*_: object) -> None:
        raise LogFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "append", full)
        for _ in range(2):
            with pytest.raises(LogFull, match="no room"):
                log.append("audit", [audit(1)])
        log.tick("audit")
    assert bench.segments() == [0]
    log.append("audit", [audit(1)])
    assert [entry.event for entry in log.read("audit", {}, 9).entries] == [audit(0), audit(1)]


def test_a_log_that_could_not_be_opened_is_opened_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    log = bench.open()
    log.append("audit", [audit(0)])
    log.close()

    def full(*_: object) -> None:
        raise LogFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "open", full)
        with pytest.raises(LogFull, match="no room"):
            bench.open()
    assert bench.open().appended("audit") == 1


def test_a_position_that_cannot_be_published_fails_no_append(bench: Bench) -> None:
    log = bench.open("c")
    bench.root.mkdir()
    (bench.root / "positions").touch()
    log.append("verdicts", [audit(0)], {"audit": {"p": 1}})
    assert log.consumed("audit") == {"p": 1}
    (bench.root / "positions").unlink()
    log.append("verdicts", [audit(0)])
    assert (bench.root / "positions" / "c" / "audit" / "p").read_bytes() == (1).to_bytes(8, "little")


def test_a_reader_waits_at_a_segment_that_it_cannot_open_now(bench: Bench) -> None:
    log = bench.open(policy=under(roll_bytes=1))
    fill(log, 3)
    hidden = bench.segment(1).rename(bench.root / "hidden")
    bench.segment(1).mkdir()
    batch = bench.open("c").read("audit", {}, 9)
    assert [entry.sequence for entry in batch.entries] == [0]
    bench.segment(1).rmdir()
    hidden.rename(bench.segment(1))
    batch = bench.open("d").read("audit", batch.positions, 9)
    assert [entry.sequence for entry in batch.entries] == [1, 2]
