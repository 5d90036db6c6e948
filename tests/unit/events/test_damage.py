"""Segments that were torn, cut or overwritten: set aside, counted by sequence, and service goes on."""

import sqlite3
from pathlib import Path

import pytest

from gateway.events import ledger, losses
from gateway.events.losses import Loss
from gateway.events.policy import StreamPolicy
from gateway.events.schema import Stream
from tests.support.events import audit
from tests.unit.events.conftest import Bench

CONSUMERS: dict[Stream, frozenset[str]] = {"audit": frozenset({"c"})}
ROLLING: dict[Stream, StreamPolicy] = {"audit": StreamPolicy(roll_seconds=60), "verdicts": StreamPolicy()}


def zero(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage_head(path: Path) -> None:
    path.write_bytes(b"\x5a" * 16_384 + path.read_bytes()[16_384:])


def garbage_page(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: 16_384 * 2] + b"\x5a" * 16_384 + content[16_384 * 3 :])


def prepared(bench: Bench, consumed: int = 0) -> None:
    """Ten events, checked in, of which the consumer has read some."""
    log = bench.open(consumers=CONSUMERS)
    log.append("audit", [audit(number) for number in range(10)])
    log.close()
    consumer = bench.open("c")
    if consumed:
        consumer.append("verdicts", (), {"audit": {"p": consumed}})
    consumer.close()


@pytest.mark.parametrize("harm", [zero, cut, garbage_head, garbage_page])
def test_a_damaged_segment_is_set_aside_and_its_unread_events_are_counted(bench: Bench, harm: object) -> None:
    prepared(bench, consumed=4)
    assert callable(harm)
    harm(bench.segment(0))
    log = bench.open(consumers=CONSUMERS)
    assert bench.losses == [("audit", "corrupt", 6)]
    assert log.appended("audit") == 10
    log.append("audit", [audit(10)])
    batch = bench.open("c").read("audit", {"p": 4}, 100)
    assert [(entry.sequence, entry.event) for entry in batch.entries] == [(10, audit(10))]
    book = ledger.read(bench.root, bench.root / "none", CONSUMERS)["audit"]
    assert book.consumers["c"] == ledger.Delivery(delivered=4, spooled=1, lost=6)
    assert book.balanced
    log.close()
    bench.open(consumers=CONSUMERS)
    assert bench.losses == [("audit", "corrupt", 6)]  # once


def test_times_go_on_growing_after_damage(bench: Bench) -> None:
    prepared(bench)
    last = bench.open("c").read("audit", {}, 100).entries[-1].time_us
    garbage_head(bench.segment(0))
    bench.clock.set_back(100)
    assert bench.open().append("audit", [audit(10)]) == (last + 1,)


def test_consumed_positions_survive_the_damage_of_the_segment_that_held_them(bench: Bench) -> None:
    log = bench.open()
    log.append("audit", [audit(0)], {"exchanges": {"proxy-0": 5}})
    log.close()
    garbage_head(bench.segment(0))
    assert bench.open().consumed("exchanges") == {"proxy-0": 5}


def test_events_cut_off_without_any_other_trace_are_noticed(bench: Bench) -> None:
    """SQLite takes a shortened WAL for an earlier moment; the tip knows better."""
    prepared(bench)
    database = sqlite3.connect(bench.segment(0))
    database.execute("DELETE FROM groups")
    database.commit()
    database.close()
    log = bench.open(consumers=CONSUMERS)
    assert bench.losses == [("audit", "corrupt", 10)]
    assert log.append("audit", [audit(10)])
    assert [entry.sequence for entry in log.read("audit", {}, 100).entries] == [10]


def test_a_writer_goes_on_when_its_open_segment_turns_out_damaged(bench: Bench) -> None:
    log = bench.open(consumers=CONSUMERS)
    log.append("audit", [audit(number) for number in range(5)], {"exchanges": {"x": 3}})
    for path in (bench.segment(0), bench.segment(0).with_name(bench.segment(0).name + "-wal")):
        with path.open("r+b") as file:
            file.write(b"\x5a" * path.stat().st_size)
    writer = log._writers["audit"]
    assert writer._current is not None
    writer._current._database.execute("PRAGMA cache_size = 0")  # so that it must look at the disk
    log.append("audit", [audit(5)])
    assert bench.losses == [("audit", "corrupt", 5)]
    assert [entry.event for entry in log.read("audit", {}, 100).entries] == [audit(5)]
    log.close()
    assert bench.open().consumed("exchanges") == {"x": 3}


def test_a_reader_skips_a_damaged_segment_once_there_is_a_next_one(bench: Bench) -> None:
    log = bench.open(policy=ROLLING, consumers=CONSUMERS)
    log.append("audit", [audit(number) for number in range(5)])
    bench.clock.advance(61)
    log.append("audit", [audit(5)])
    consumer = bench.open("c")
    garbage_head(bench.segment(0))
    batch = consumer.read("audit", {}, 100)
    assert [entry.event for entry in batch.entries] == [audit(5)]
    assert bench.losses == [("audit", "corrupt", 5)]
    consumer.append("verdicts", (), {"audit": batch.positions})
    book = ledger.read(bench.root, bench.root / "none", CONSUMERS)["audit"]
    assert book.consumers["c"] == ledger.Delivery(delivered=1, spooled=0, lost=5)


def test_a_reader_waits_at_a_damaged_segment_that_is_the_newest(bench: Bench) -> None:
    prepared(bench)
    garbage_head(bench.segment(0))
    batch = bench.open("c").read("audit", {}, 100)
    assert (batch.entries, batch.positions, batch.watermarks) == ((), {"p": 0}, {})
    assert bench.losses == []


def test_a_reader_skips_a_group_whose_bytes_changed(bench: Bench) -> None:
    log = bench.open()
    log.append("audit", [audit(0), audit(1)])
    log.append("audit", [audit(2)])
    log.close()
    database = sqlite3.connect(bench.segment(0))
    database.execute("UPDATE groups SET body = zeroblob(length(body)) WHERE first = 0")
    database.commit()
    database.close()
    batch = bench.open("c").read("audit", {}, 100)
    assert [entry.sequence for entry in batch.entries] == [2]
    assert bench.losses == [("audit", "corrupt", 2)]


def test_what_was_set_aside_goes_in_time(bench: Bench) -> None:
    prepared(bench)
    garbage_head(bench.segment(0))
    policy: dict[Stream, StreamPolicy] = {"audit": StreamPolicy(aside_seconds=100)}
    log = bench.open(policy=policy)
    aside = next((bench.root / "audit" / "p").glob("*.corrupt"))
    bench.clock.us = int(aside.stat().st_mtime * 1e6) + 50_000_000
    log.tick("audit")
    assert aside.exists()
    bench.clock.advance(51)
    log.tick("audit")
    assert not aside.exists()


def test_a_segment_whose_writer_died_at_birth_is_made_anew(bench: Bench) -> None:
    prepared(bench)
    bench.segment(10).write_bytes(b"")
    reader = bench.open("c")
    assert len(reader.read("audit", {}, 100).entries) == 10
    log = bench.open()
    log.append("audit", [audit(10)])
    assert len(reader.read("audit", {}, 100).entries) == 11
    assert bench.losses == []


def test_losses_are_ranges_that_join_and_are_counted_once(tmp_path: Path) -> None:
    book = losses.Losses(tmp_path / "losses.json")
    assert book.add(5, 10, "corrupt") == 5
    assert book.add(10, 12, "corrupt") == 2
    assert book.add(0, 20, "corrupt") == 13
    assert book.add(3, 8, "corrupt") == 0
    assert losses.read(tmp_path / "losses.json") == [Loss(0, 20, "corrupt")]
    assert losses.read(tmp_path / "none.json") == []
