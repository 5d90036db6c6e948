"""Another controller's routing table: newer ones are taken, older and foreign ones never, and it is said why."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.controller.followed import STALE_SECONDS, FollowedTables, Unreachable
from gateway.controller.tables import Elsewhere, Saving
from gateway.core.routing import ModelRoute, RoutingTable, split
from gateway.layout import DataFolder
from gateway.tablefile import read_table
from tests.support.manual_clock import ManualClock


def table(version: int, epoch: int = 1, store: str = "s") -> RoutingTable:
    arms = split(("stable", "canary"), {"canary": version / 100})
    return RoutingTable(store, epoch, version, {"assistant": ModelRoute(b"salt", arms, "operator", version)})


class FakeSource:
    """Gives what it is told to; a string is why it gives nothing."""

    name = "http://control:9191"
    wait_seconds = 20.0
    elsewhere = f"this gateway follows {name}"

    def __init__(self) -> None:
        self.next: RoutingTable | str | None = None
        self.asked: list[int] = []

    def fetch(self, known: RoutingTable, wait: float) -> RoutingTable | None:
        self.asked.append(known.version)
        if isinstance(self.next, str):
            raise Unreachable(self.next)
        return self.next

    def close(self) -> None:
        """Nothing is held."""


class Follower:
    def __init__(self, folder: Path) -> None:
        self.data = DataFolder(folder)
        self.data.table.parent.mkdir(parents=True, exist_ok=True)
        self.clock = ManualClock()
        self.source = FakeSource()
        self.again()

    def again(self, *, adopt: bool = False) -> None:
        self.tables = FollowedTables(self.source, self.data, self.clock, adopt=adopt)

    def hears(self, said: RoutingTable | str | None) -> None:
        self.source.next = said
        self.clock.advance(20)  # whatever failed before is due again
        self.tables.step(0)

    @property
    def on_disk(self) -> RoutingTable | None:
        return read_table(self.data.table)


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    made = Follower(tmp_path / "data")
    yield made
    made.tables.close()


def test_before_any_table_there_is_an_empty_one_and_nothing_is_published(follower: Follower) -> None:
    assert (follower.tables.published, follower.tables.latest) == (False, None)
    assert follower.tables.current().models == {}
    follower.tables.publish()
    assert follower.on_disk is None


def test_a_newer_table_is_taken_and_kept(follower: Follower) -> None:
    for wanted in (table(1), table(2), table(1, epoch=2)):
        follower.hears(wanted)
        assert follower.tables.current() == follower.tables.latest == follower.on_disk == wanted
    assert follower.source.asked == [0, 1, 2]
    follower.again()
    assert (follower.tables.current(), follower.tables.published) == (table(1, epoch=2), True)


def test_an_older_table_never_replaces_a_newer_one(follower: Follower) -> None:
    follower.hears(table(5))
    follower.hears(table(4))
    assert follower.on_disk == follower.tables.current() == table(5)
    follower.clock.advance(STALE_SECONDS)
    (warning,) = follower.tables.warnings
    assert "has table 1.4, older than 1.5 here" in warning
    follower.hears(None)
    assert follower.tables.warnings == []


def test_another_stores_table_needs_to_be_adopted(follower: Follower) -> None:
    follower.hears(table(5))
    follower.hears(table(9, store="other"))
    assert follower.on_disk == table(5)
    follower.again(adopt=True)
    follower.hears(table(9, store="other"))
    assert follower.on_disk == table(9, store="other")


def test_without_a_word_the_last_one_holds_and_people_are_told(follower: Follower) -> None:
    follower.hears(table(1))
    follower.hears("http://control:9191 does not answer")
    assert (follower.tables.current(), follower.tables.warnings) == (table(1), [])
    assert follower.tables.age_seconds == 20
    follower.clock.advance(STALE_SECONDS)
    assert follower.tables.warnings == [
        "no word on the routing table for 80 s: http://control:9191 does not answer"
    ]
    follower.hears(None)
    assert (follower.tables.age_seconds, follower.tables.warnings) == (0, [])


def test_where_there_was_never_one_people_are_told_at_once(follower: Follower) -> None:
    follower.hears("http://control:9191 answers 401: no such token")
    assert "answers 401" in follower.tables.warnings[0]


def test_it_asks_ever_more_seldom_while_nobody_answers(follower: Follower) -> None:
    follower.source.next = "away"
    for _ in range(3):
        follower.tables.step(0)
    assert follower.tables._patience.due is False


def test_a_table_that_cannot_be_kept_is_asked_for_again(follower: Follower) -> None:
    follower.hears(table(1))
    follower.data.table.unlink()
    follower.data.table.mkdir()  # in the way of any file
    follower.hears(table(2))
    assert follower.tables.current() == table(1)
    follower.data.table.rmdir()
    follower.hears(table(2))
    assert follower.on_disk == follower.tables.current() == table(2)


def test_a_file_that_is_gone_is_written_again(follower: Follower) -> None:
    follower.hears(table(1))
    follower.data.table.unlink()
    follower.tables.publish()
    assert follower.on_disk == table(1)


def test_a_damaged_file_is_as_none(follower: Follower) -> None:
    follower.data.table.write_bytes(b"{")
    follower.again()
    assert follower.tables.published is False
    follower.hears(table(1))
    assert follower.on_disk == table(1)


def test_nothing_is_decided_here(follower: Follower) -> None:
    with pytest.raises(Elsewhere, match="follows http://control:9191"):
        follower.tables.set_weights("assistant", {"canary": 0.5}, "because")
    with pytest.raises(Elsewhere):
        follower.tables.save_with(lambda _: Saving())
    assert follower.tables.elsewhere.startswith("this gateway follows http://control:9191")


def test_tables_survive_the_way_there() -> None:
    assert msgspec.json.decode(msgspec.json.encode(table(3)), type=RoutingTable) == table(3)
