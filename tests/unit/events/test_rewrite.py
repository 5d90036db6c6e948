"""A closed segment whose events are changed: the same places, other events, and nothing of the old ones."""

import sqlite3
from collections.abc import Sequence

import msgspec
import pytest

from gateway.events.rewrite import SegmentBusy
from gateway.events.schema import AuditV1, Event
from gateway.events.sqlite import SqliteEventLog
from tests.support.events import audit
from tests.unit.events.conftest import Bench

PLANTED = "planted-4711"


def planted(number: int) -> AuditV1:
    return msgspec.structs.replace(audit(number), subject=PLANTED)


def unplanted(event: Event) -> Event:
    return msgspec.structs.replace(event, subject="nobody") if isinstance(event, AuditV1) else event


def filled(bench: Bench, events: Sequence[AuditV1]) -> SqliteEventLog:
    log = bench.open()
    for event in events:
        log.append("audit", [event], {"verdicts": {"s": 3}})
    log.roll("audit")
    return log


def holds(bench: Bench) -> list[str]:
    folder = bench.root / "audit" / "p"
    return [path.name for path in folder.iterdir() if PLANTED.encode() in path.read_bytes()]


def test_events_change_and_all_else_stays(bench: Bench) -> None:
    log = filled(bench, [audit(0), planted(1), audit(2), planted(3)])
    before = log.read("audit", {}, 10)
    assert holds(bench)
    assert log.closed("audit") == [0]
    assert log.rewrite("audit", 0, [PLANTED.encode()], unplanted) == 2
    after = bench.open(None).read("audit", {}, 10)
    assert [(each.sequence, each.time_us) for each in after.entries] == [
        (each.sequence, each.time_us) for each in before.entries
    ]
    subjects = [each.event.subject for each in after.entries if isinstance(each.event, AuditV1)]
    assert subjects == [audit(0).subject, "nobody", audit(2).subject, "nobody"]
    assert holds(bench) == []
    log.close()
    assert bench.open().consumed("verdicts") == {"s": 3}


def test_a_reader_that_was_at_it_reads_on_in_the_new_one(bench: Bench) -> None:
    log = filled(bench, [planted(number) for number in range(6)])
    reader = bench.open(None)
    first = reader.read("audit", {}, 2)
    log.rewrite("audit", 0, [PLANTED.encode()], unplanted)
    second = reader.read("audit", first.positions, 10)
    assert [each.sequence for each in (*first.entries, *second.entries)] == list(range(6))
    log.append("audit", [audit(6)])
    assert [each.sequence for each in reader.read("audit", second.positions, 10).entries] == [6]


def test_where_there_is_nothing_to_change_the_file_stays_what_it_was(bench: Bench) -> None:
    log = filled(bench, [audit(0), planted(1)])
    path = bench.root / "audit" / "p" / f"{0:020d}.sqlite"
    before = path.stat()
    assert log.rewrite("audit", 0, [b"somebody else"], unplanted) == 0
    assert log.rewrite("audit", 0, [PLANTED.encode()], lambda event: event) == 0
    assert path.stat() == before


def test_while_a_reader_holds_the_log_of_the_file_nothing_happens(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.events.rewrite.BUSY_SECONDS", 0.05)
    log = bench.open()
    log.append("audit", [planted(0)])
    path = bench.root / "audit" / "p" / f"{0:020d}.sqlite"
    looking = sqlite3.connect(path, isolation_level=None)
    looking.execute("BEGIN")
    looking.execute("SELECT count(*) FROM groups").fetchone()
    log.append("audit", [planted(1)])
    log.roll("audit")
    with pytest.raises(SegmentBusy):
        log.rewrite("audit", 0, [PLANTED.encode()], unplanted)
    looking.close()
    assert log.rewrite("audit", 0, [PLANTED.encode()], unplanted) == 2


def test_rolling_twice_makes_one_segment(bench: Bench) -> None:
    log = filled(bench, [audit(0)])
    assert log.roll("audit") == 1
    assert log.closed("audit") == [0]
