"""The connection to a real PostgreSQL, the lead, and how a gateway that stands by follows it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from gateway.controller import postgres
from gateway.controller.database import FormatError, StorageUnusable
from gateway.controller.followed import Refused, Unreachable
from gateway.controller.postgres import Postgres
from gateway.controller.postgres_state import PostgresStateStore, migrate, read_format
from gateway.controller.standby import StoredTables
from gateway.controller.state_store import UNIT_KEY
from gateway.core.routing import RoutingTable
from gateway.ports import StaleHead
from gateway.settings import ConfigError, State
from tests.contract.state_store import decision, table
from tests.support.manual_clock import ManualClock
from tests.support.postgres import PostgresServer, connect
from tests.support.wait import until

NONE = RoutingTable("", 0, 0, {})


class Gateways:
    """Connections to one database; all are closed at the end."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self.stack = stack
        self.lost: list[str] = []

    def connect(self, name: str) -> Postgres:
        found = Postgres.connect(State(url=self.url), name)
        found.when_lost(lambda: self.lost.append(name))
        return self.stack.enter_context(closing(found))

    def leading(self, name: str = "north") -> PostgresStateStore:
        """The store, with the lead."""
        found = self.connect(name)
        assert found.lead()
        return PostgresStateStore.open(found, "a-store")

    def end_session(self, name: str) -> None:
        """As an administrator, or a server that goes down, does."""
        with closing(psycopg.connect(self.url, autocommit=True)) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                (f"tipstaff {name}",),
            ).fetchall()
        assert ended == [(True,)]


@pytest.fixture
def gateways(database: str) -> Iterator[Gateways]:
    with ExitStack() as stack:
        yield Gateways(database, stack)


class Standby:
    """One that stands by, looked at step by step; `taken` counts how often it took over."""

    def __init__(self, gateways: Gateways, unit_key: str = "k1") -> None:
        self.clock = ManualClock()
        self.taken = 0
        self.tables = StoredTables(
            lambda: connect(gateways.url, "south"), "south", unit_key, self.clock, 5.0, self._take
        )
        gateways.stack.callback(self.tables.close)

    def _take(self) -> None:
        self.taken += 1

    def look(self, known: RoutingTable = NONE) -> RoutingTable | None:
        return self.tables.fetch(known, 0)


def test_one_of_them_leads_for_as_long_as_its_connection_lives(gateways: Gateways) -> None:
    north, south = gateways.connect("north"), gateways.connect("south")
    assert north.leader() is None
    assert north.lead()
    assert not south.lead()
    assert south.leader() == "north"
    gateways.end_session("north")
    until(lambda: gateways.lost == ["north"], 20, "it notices by itself")
    assert south.lead()
    assert south.leader() == "south"
    with pytest.raises(StorageUnusable, match=r"PostgreSQL at 127.*cannot be used"):
        north.lead()
    assert gateways.lost == ["north"]


def test_who_lets_go_has_lost_nothing(gateways: Gateways) -> None:
    north, south = gateways.connect("north"), gateways.connect("south")
    assert north.lead()
    north.close()
    north.close()
    until(south.lead, 20, "the lead is free")
    assert gateways.lost == []


def test_a_save_on_a_lost_connection_fails_and_changes_nothing(gateways: Gateways) -> None:
    store = gateways.leading()
    head = store.save(store.head(), table(store.head()), [decision(1)])
    gateways.end_session("north")
    with pytest.raises(StorageUnusable):
        store.save(head, table(head), [decision(2)])
    assert gateways.lost == ["north"]
    again = gateways.leading("south")
    assert [made.id for _, made in again.decisions(0, 10)] == ["d1"]


def test_whoever_leads_next_fences_one_that_still_writes(gateways: Gateways) -> None:
    """Without the lock, by the epoch alone."""
    paused = PostgresStateStore.open(gateways.connect("north"), "a-store")
    head = paused.head()
    active = gateways.leading("south")
    with pytest.raises(StaleHead):
        paused.save(head, table(head), [decision(1)])
    assert active.decisions(0, 10) == []


def test_a_database_that_is_away_says_so(own_postgres: PostgresServer) -> None:
    url = own_postgres.url()
    with closing(connect(url)) as there:
        own_postgres.stop()
        with pytest.raises(StorageUnusable, match="cannot be used"):
            there.leader()
    with pytest.raises(StorageUnusable, match="refused"):
        connect(url)
    own_postgres.start()
    connect(url).close()


def test_a_url_that_is_none_is_the_configurations_fault() -> None:
    with pytest.raises(ConfigError, match=r"state\.url.*nonsense"):
        Postgres.connect(State(url="postgresql://h/d?nonsense=1"), "north")


def test_the_password_is_that_of_the_file(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with closing(psycopg.connect(own_postgres.url(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'a-password'")
        admin.execute("CREATE DATABASE guarded OWNER guarded")
    own_postgres.ask_for_passwords("guarded")
    url = own_postgres.url("guarded").replace("tipstaff@", "guarded@")
    (tmp_path / "password").write_text("a-password\n")
    (tmp_path / "wrong").write_text("another\n")
    with closing(Postgres.connect(State(url=url, password_file=tmp_path / "password"), "north")) as database:
        PostgresStateStore.open(database, "a-store")
    with pytest.raises(StorageUnusable, match="password authentication failed"):
        Postgres.connect(State(url=url, password_file=tmp_path / "wrong"), "north")


def test_a_newer_format_is_left_alone_and_an_older_one_migrated(gateways: Gateways) -> None:
    database = gateways.connect("north")
    with database.writing() as sql:
        migrate(sql, 1, "CREATE TABLE one (n integer)", {})
    with database.writing() as sql:
        migrate(
            sql, 3, "", {1: "CREATE TABLE two (n integer)", 2: "ALTER TABLE two RENAME TO three; DROP TABLE one"}
        )
        assert read_format(sql) == 3
        assert sql.execute("SELECT n FROM three").fetchall() == []
    with database.writing() as sql, pytest.raises(FormatError, match="has format 3, this tipstaff reads 2"):
        migrate(sql, 2, "", {1: "CREATE TABLE never (n integer)"})
    with pytest.raises(StorageUnusable, match="nowhere"), database.writing() as sql:
        migrate(sql, 5, "", {3: "CREATE TABLE four (n integer)", 4: "DROP TABLE nowhere"})
    with database.reading() as sql:
        assert read_format(sql) == 3
        assert sql.execute("SELECT to_regclass('tipstaff.four')").fetchone() == (None,)


def test_a_schema_that_an_administrator_has_made_is_used(gateways: Gateways) -> None:
    with closing(psycopg.connect(gateways.url, autocommit=True)) as admin:
        admin.execute("CREATE SCHEMA tipstaff")
    assert gateways.leading().head().store_id == "a-store"


def test_who_stands_by_has_every_table_of_the_leader(gateways: Gateways) -> None:
    standby = Standby(gateways)
    assert standby.look() is None
    store = gateways.leading()
    assert standby.look() is None
    first = table(store.head())
    head = store.save(store.head(), first, [])
    assert standby.look() == first
    assert standby.look(first) is None
    second = table(head)
    store.save(head, second, [])
    assert standby.look(first) == second
    assert standby.tables.elsewhere == "this gateway stands by, north leads: ask there, with --admin"


def test_it_takes_over_once_nobody_has_led_for_so_long(gateways: Gateways) -> None:
    standby, north = Standby(gateways), gateways.connect("north")
    assert north.lead()
    standby.look()
    standby.clock.advance(100)
    standby.look()
    assert standby.taken == 0
    north.close()
    until(lambda: gateways.connect("a-test").leader() is None, 20, "the lead is free")
    standby.clock.advance(4.9)
    standby.look()
    assert standby.taken == 0
    standby.clock.advance(0.2)
    standby.look()
    assert standby.taken == 1


def test_who_does_not_see_the_database_does_not_take_over(own_postgres: PostgresServer) -> None:
    with ExitStack() as stack:
        standby = Standby(Gateways(own_postgres.url(), stack))
        own_postgres.stop()
        for _ in range(3):
            with pytest.raises(Unreachable, match="PostgreSQL"):
                standby.look()
            standby.clock.advance(100)
        own_postgres.start()
        standby.look()
        assert standby.taken == 0
        standby.clock.advance(5)
        standby.look()
        assert standby.taken == 1


def test_a_leader_with_another_unit_key_is_not_followed_and_not_replaced(gateways: Gateways) -> None:
    store = gateways.leading()
    store.save(store.head(), table(store.head()), [])
    store.keep(UNIT_KEY, b"k2")
    standby = Standby(gateways)
    for _ in range(2):
        with pytest.raises(Unreachable, match="its unit key is k2, ours k1"):
            standby.look()
        store.close()
        standby.clock.advance(100)
    assert standby.taken == 0


def test_two_of_one_name_are_found_out(gateways: Gateways) -> None:
    gateways.leading("south")
    with pytest.raises(Refused, match="another gateway of the name south leads"):
        Standby(gateways).look()


def test_a_server_that_hangs_is_let_go_of(own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_HANGING_SECONDS", 1.0)
    with ExitStack() as stack:
        gateways = Gateways(own_postgres.url(), stack)
        north = gateways.connect("north")
        with own_postgres.paused():
            with pytest.raises(StorageUnusable):
                north.leader()
            until(lambda: gateways.lost == ["north"], 20, "it notices")


def test_a_connection_that_was_lost_before_is_known_to_be(gateways: Gateways) -> None:
    found = Postgres.connect(State(url=gateways.url), "north")
    gateways.end_session("north")
    with pytest.raises(StorageUnusable):
        found.lead()
    heard: list[str] = []
    found.when_lost(lambda: heard.append("lost"))
    assert heard == ["lost"]
    found.close()


def test_closing_ends_a_look_under_way_and_leaves_no_connection(gateways: Gateways) -> None:
    standby = Standby(gateways)
    looking = threading.Thread(target=standby.tables.fetch, args=(NONE, 60))
    looking.start()
    admin = gateways.connect("admin")

    def sessions() -> int:
        with admin.reading() as sql:
            found = sql.execute(
                """SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'tipstaff south' AND datname = current_database()"""
            )
            return int(found.fetchone()[0])

    until(lambda: sessions() == 1, 20, "it looks")
    standby.tables.close()
    looking.join(20)
    assert not looking.is_alive()
    until(lambda: sessions() == 0, 20, "nothing is left")


def test_a_newer_format_is_not_followed(gateways: Gateways) -> None:
    gateways.leading()
    with gateways.connect("a-newer-one").writing() as sql:
        sql.execute("UPDATE format SET version = 99")
    with pytest.raises(Unreachable, match="format 99"):
        Standby(gateways).look()
