"""The scorer's part of forgetting, over a real log and real texts."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway.datafolder import prepare
from gateway.events.schema import VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder, Request
from gateway.layout import DataFolder
from gateway.scoring.forgetting import VerdictForgetting
from gateway.scoring.texts import KeptTexts
from tests.support.events import ASSIGNMENT, verdict
from tests.support.manual_clock import ManualClock
from tests.unit.scoring.making import NOW_US, identifier, kept

HASH, TO = ASSIGNMENT.unit_hash, b"p" * 16
SECRET = "the heron sleeps in Zwolle"


class Bench:
    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root / "data")
        prepare(self.data)
        self.clock = ManualClock(NOW_US)
        self.events = SqliteEventLog(self.data.log, "scorer-0", self.clock)
        self.texts = KeptTexts(self.data.texts, "scorer-0", self.clock, 7, 1 << 24)
        self.folder = ForgettingFolder(self.data)
        self.begin()

    def begin(self) -> None:
        self.forgetting = VerdictForgetting(self.folder, "scorer-0", lambda: [self.events], self.texts.forget)

    def made(self, number: int, unit: bytes, time_us: int) -> VerdictV1:
        event = msgspec.structs.replace(verdict(number, time_us), exchange_id=identifier(number))
        return msgspec.structs.replace(event, assignment=msgspec.structs.replace(event.assignment, unit_hash=unit))

    def ask(self, until_us: int, *numbers: int) -> Request:
        ids = tuple(map(identifier, numbers))
        request = Request("r", {HASH.hex(): TO.hex()}, until_us, "ada", "00" * 16, {"assistant": until_us})
        self.folder.decide(request, ids)
        return request

    def units(self) -> list[bytes]:
        entries = self.events.read("verdicts", {}, 100).entries
        return [each.event.assignment.unit_hash for each in entries if isinstance(each.event, VerdictV1)]

    def holds(self, planted: bytes) -> list[str]:
        files = [
            path for path in self.data.root.rglob("*") if path.is_file() and path.parent != self.data.forgetting
        ]
        return [path.name for path in files if planted in path.read_bytes()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.events.close()
    made.texts.close()


def test_texts_go_and_verdicts_become_a_pseudonym_s_up_to_the_time(bench: Bench) -> None:
    other = b"o" * 16
    units = [HASH, other, HASH, HASH]
    for number, unit in enumerate(units):
        bench.events.append("verdicts", [bench.made(number, unit, NOW_US + number)])
        bench.events.roll("verdicts")
    bench.texts.put([kept(number, f"{SECRET} {number}") for number in range(4)])
    request = bench.ask(NOW_US + 2, 0, 2)
    while bench.folder.left_to("scorer-0"):
        bench.forgetting.step()
    assert bench.units() == [TO, other, TO, HASH]
    assert [bench.texts.get(identifier(number)) is None for number in range(4)] == [True, False, True, False]
    assert bench.folder.done_by(request) == {"scorer-0"}
    bench.forgetting.step()


def test_nothing_is_left_on_the_disk(bench: Bench) -> None:
    for number in range(30):
        bench.events.append("verdicts", [bench.made(number, HASH, NOW_US + number)])
    bench.texts.put([kept(number, random.Random(number).randbytes(4000).hex()) for number in range(30)])
    (segment,) = bench.data.texts.rglob("*.sqlite")
    with closing(
        sqlite3.connect(segment)
    ) as connection:  # what a text says is packed: its packed bytes are looked for
        packed = [body[-1000:-500] for (body,) in connection.execute("SELECT body FROM texts")]
    assert bench.holds(HASH)
    assert bench.holds(packed[7])
    bench.ask(NOW_US + 100, *range(30))
    while bench.folder.left_to("scorer-0"):
        bench.forgetting.step()
    assert [bench.holds(each) for each in (HASH, *packed)] == [[]] * 31


def test_a_process_that_died_begins_anew_and_ends_the_same(bench: Bench) -> None:
    for number in range(4):
        bench.events.append("verdicts", [bench.made(number, HASH, NOW_US + number)])
        bench.events.roll("verdicts")
    bench.ask(NOW_US + 100, *range(4))
    bench.forgetting.step()
    bench.forgetting.step()
    bench.begin()
    while bench.folder.left_to("scorer-0"):
        bench.forgetting.step()
    assert bench.units() == [TO] * 4


def test_what_fails_now_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.events.append("verdicts", [bench.made(0, HASH, NOW_US)])
    bench.ask(NOW_US, 0)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("gateway.events.rewrite.sync", full)
        for _ in range(3):
            bench.forgetting.step()
        assert bench.folder.left_to("scorer-0")
    while bench.folder.left_to("scorer-0"):
        bench.forgetting.step()
    assert bench.units() == [TO]


def test_one_that_cannot_be_done_holds_up_no_other_and_damage_is_not_for_ever(bench: Bench) -> None:
    bench.events.append("verdicts", [bench.made(0, HASH, NOW_US), bench.made(1, HASH, NOW_US + 1)])
    bench.events.roll("verdicts")
    (path,) = [each for each in (bench.data.log / "verdicts" / "scorer-0").glob("*.sqlite") if "0000" in each.name][
        :1
    ]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE groups SET crc = crc + 1")
        connection.commit()
    bench.ask(NOW_US + 100, 0, 1)
    while bench.folder.left_to("scorer-0"):
        bench.forgetting.step()
    assert bench.holds(HASH) == []


def test_nothing_leads_back_from_where_a_pseudonym_lies(bench: Bench) -> None:
    """A bucket follows from the hash and a salt: the same one becomes the same other one, known to nobody."""
    events = [bench.made(number, HASH, NOW_US + number) for number in range(2)]
    request = bench.ask(NOW_US + 100, 0, 1)
    first, second = (request.renamed(event).assignment for event in events)
    assert first.bucket == second.bucket != events[0].assignment.bucket
    other = msgspec.structs.replace(request, veil="11" * 16)
    assert other.renamed(events[0]).assignment.bucket != first.bucket
    assert (
        msgspec.structs.replace(first, unit_hash=HASH, bucket=events[0].assignment.bucket) == events[0].assignment
    )
