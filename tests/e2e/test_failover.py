"""Two gateways that share a PostgreSQL: one leads, and when it cannot the other does; nothing is decided twice."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from gateway.controller.state_store import read_head
from gateway.demo.behaviour import steady
from tests.support.fleet import USERS, arms_of, ask, ask_something, give
from tests.support.kafka import KafkaBroker
from tests.support.peers import NAMES, Peers, leads
from tests.support.people import People
from tests.support.plans import OVER_REFUSAL
from tests.support.postgres import PostgresServer, connect
from tests.support.simulated import OVER_REFUSING, simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

KILLS = 5
"""Twenty take three minutes: a supervisor starts what keeps dying ever more seldom."""
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def peers(database: str, tmp_path: Path) -> Iterator[Peers]:
    with simulated("v1", "v2") as (stable, canary):
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [canary.url]}}
        yield Peers(tmp_path, arms, database)


def other(peers: Peers, leader: Stack) -> Stack:
    (found,) = (each for each in peers.gateways.values() if each is not leader)
    return found


def decisions(stack: Stack) -> list[str]:
    found = stack.admin.get("/api/v1/decisions", params={"limit": 500}).raise_for_status().json()["decisions"]
    return [each["id"] for each in found]


def admin_of(stack: Stack) -> tuple[str, str]:
    return ("--admin", f"127.0.0.1:{stack.admin_port}")


def epoch_of(url: str) -> int:
    """How often somebody has begun to lead."""
    with closing(connect(url, "a-test")) as database, database.reading() as sql:
        return read_head(sql).epoch


def leader_of(url: str) -> str:
    """Who leads, once somebody does."""
    with closing(connect(url, "a-test")) as database:
        until(lambda: database.leader() is not None, 60, "somebody leads")
        return database.leader() or leader_of(url)


def shown(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.admin.get("/api/v1/models/assistant/rollout").raise_for_status().json()
    return found


def here(stack: Stack) -> set[str]:
    return {each["id"] for each in stack.exchanges()}


def asked(stack: Stack) -> set[str]:
    """Which versions answer there."""
    return {ask(stack, user).json()["model"] for user in USERS}


def table(stack: Stack) -> dict[str, Any]:
    """In force there; empty while its controller begins anew."""
    answer = stack.admin.get("/api/v1/status")
    found: dict[str, Any] = answer.json()["table"] if answer.is_success else {}
    return found


def test_one_leads_and_the_other_goes_on_where_it_ended(peers: Peers) -> None:
    north, south = (peers.gateways[name] for name in NAMES)
    with north:
        assert leads(north)
        with south:
            assert not leads(south)
            give(north, 50)
            until(lambda: arms_of(south) == arms_of(north), 10, "users are dealt alike")
            assert {"stable", "canary"} == set(arms_of(south))
            asked = [each.admin.get("/api/v1/table").json() for each in (north, south)]
            assert asked[0] == asked[1]
            refused = tipstaff("weights", "assistant", "canary=10", "--reason", "here", *admin_of(south))
            assert "this gateway stands by, north leads: ask there" in refused.stderr
            before, made = north.status()["table"], decisions(north)
            north.stop()
            assert peers.leader() is south
            assert decisions(south) == made
            give(south, 20)
            after = south.status()["table"]
            assert (after["store_id"], after["epoch"]) > (before["store_id"], before["epoch"])
            assert len(decisions(south)) == len(made) + 1
            north.start()
            until(lambda: arms_of(north) == arms_of(south), 10, "what is decided there holds here")
            assert not leads(north)
            assert north.status()["warnings"] == south.status()["warnings"] == []


def test_a_leader_that_is_paused_is_replaced_and_writes_nothing_afterwards(peers: Peers) -> None:
    north, south = (peers.gateways[name] for name in NAMES)
    with north, south:
        paused = peers.leader()
        give(paused, 50)
        controller = paused.pid("controller")
        os.kill(controller, signal.SIGSTOP)
        try:
            until(lambda: leads(other(peers, paused)), 60, "the other one leads")
            active = other(peers, paused)
            give(active, 10)
        finally:
            os.kill(controller, signal.SIGCONT)
        assert peers.leader() is active
        until(lambda: table(paused) == table(active) != {}, 20, "the one that was paused follows")
        assert "this gateway stands by" in paused.status()["elsewhere"]
        until(lambda: arms_of(paused) == arms_of(active), 10, "users are dealt alike")


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_decided_twice_when_leaders_die_and_the_database_crashes(
    own_postgres: PostgresServer, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    kafka = {"bootstrap": kafka_broker.bootstrap, "prefix": "failover.", "partitions": 3}
    (tmp_path / "plan.yaml").write_text(OVER_REFUSAL)
    with simulated("v1", "v2") as (stable, canary):
        arms = {
            "stable": {"endpoints": [stable.url], "version": "1"},
            "canary": {"endpoints": [canary.url], "version": "2"},
        }
        url = own_postgres.new_database()
        peers = Peers(tmp_path, arms, url, kafka)
        north, south = (peers.gateways[name] for name in NAMES)
        with north, south:
            plan = ("--plan", tmp_path / "plan.yaml", "--reason", "v2")
            started = tipstaff("rollout", "start", "assistant", *plan, *admin_of(peers.leader()))
            assert started.returncode == 0, started.stderr
            crowds = [People(north.url, "assistant"), People(south.url, "assistant")]
            with crowds[0].asking(2), crowds[1].asking(2):
                for _ in range(KILLS):
                    epoch, name = epoch_of(url), leader_of(url)
                    peers.gateways[name].kill("controller")
                    until(lambda epoch=epoch: epoch_of(url) > epoch, 60, "somebody leads")  # type: ignore[misc]
                epoch = epoch_of(url)
                own_postgres.stop()
                goals = [len(each.answered) + 60 for each in crowds]
                until(
                    lambda: all(len(each.answered) > goal for each, goal in zip(crowds, goals, strict=True)),
                    60,
                    "people go on without a database",
                )
                own_postgres.start()
                until(lambda: epoch_of(url) > epoch, 60, "somebody leads again")
            leader, numbers = peers.leader(), count()
            assert shown(leader)["status"] == "running"
            canary.begin(steady(OVER_REFUSING))

            def rolled_back() -> bool:
                for number in islice(numbers, 20):
                    ask_something(north if number % 2 else south, number)
                return bool(shown(leader)["status"] == "rolled_back")

            until(rolled_back, 60, "it is taken back")
            until(lambda: {"canary"}.isdisjoint(arms_of(north) + arms_of(south)), 20, "on both")
            answered = crowds[0].answered | crowds[1].answered
            assert [each.broken for each in crowds] == [0, 0]
            for each in (north, south):
                until(lambda each=each: here(each) >= answered, 60, "both have all of them")  # type: ignore[misc]
            for each in (north, south):
                account = each.settled()["verdicts"]
                assert account["balanced"], account
                assert account["appended"] == len(here(each))
            assert here(north) == here(south)
            verified = tipstaff("rollout", "verify", "assistant", *admin_of(leader))
            assert verified.returncode == 0, verified.stdout + verified.stderr
            made = leader.admin.get("/api/v1/decisions", params={"limit": 500}).json()["decisions"]
            assert [each["kind"] for each in made].count("roll_back") == 1, made


def test_without_the_database_a_reload_takes_the_canary_away(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with simulated("v1", "v2") as (stable, canary):
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [canary.url]}}
        north = Peers(tmp_path, arms, own_postgres.new_database()).gateways["north"]
        with north:
            give(north, 50)
            until(lambda: "canary" in arms_of(north), 10, "the canary is there")
            assert asked(north) == {"v1", "v2"}
            own_postgres.stop()
            until(lambda: not table(north), 30, "the controller waits for its database")
            north.config.write_text(north.config.read_text().replace(canary.url, stable.url))
            os.kill(north.pid(), signal.SIGHUP)
            until(lambda: asked(north) == {"v1"}, 20, "everybody gets the first version")
