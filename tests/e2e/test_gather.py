"""Two gateways, one controller, Kafka between them: what users meet at either decides for both."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.behaviour import steady
from gateway.demo.model_server import ModelServer
from tests.support.fleet import USERS, Fleet, arms_of, ask, ask_something, give
from tests.support.kafka import KafkaBroker
from tests.support.people import People
from tests.support.plans import OVER_REFUSAL
from tests.support.simulated import OVER_REFUSING, simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

pytestmark = pytest.mark.timeout(300)


class Pair:
    """A fleet over a broker, and the two models behind it."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str, servers: list[ModelServer]) -> None:
        self.stable, self.canary = servers
        arms = {
            "stable": {"endpoints": [self.stable.url], "version": "1"},
            "canary": {"endpoints": [self.canary.url], "version": "2"},
        }
        self.fleet = Fleet(folder, arms, {"bootstrap": bootstrap, "prefix": prefix, "partitions": 3})


@pytest.fixture
def pair(kafka_broker: KafkaBroker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with simulated("v1", "v2") as servers:
        yield Pair(tmp_path, kafka_broker.bootstrap, f"{request.node.name[:40]}.", servers)


@pytest.fixture
def own_pair(own_broker: KafkaBroker, tmp_path: Path) -> Iterator[Pair]:
    """Over a broker that may be killed."""
    own_broker.start()
    own_broker.wait_ready()
    with simulated("v1", "v2") as servers:
        yield Pair(tmp_path, own_broker.bootstrap, "tipstaff.", servers)


def _warned(stack: Stack, words: str) -> bool:
    return any(words in warning for warning in stack.status()["warnings"])


def here(stack: Stack) -> dict[str, Any]:
    return {each["id"]: each for each in stack.exchanges()}


def test_every_exchange_is_known_where_it_is_decided(pair: Pair) -> None:
    lead, other = pair.fleet.lead, pair.fleet.other
    with lead, other:
        give(lead, 50)
        until(lambda: "canary" in arms_of(other), 20, "the table arrives")
        own = {ask(lead, user).headers["x-tipstaff-exchange"] for user in USERS}
        theirs = {ask(other, user).headers["x-tipstaff-exchange"] for user in USERS}
        until(lambda: here(lead).keys() >= own | theirs, 30, "the lead has the verdicts of both")
        until(lambda: theirs <= here(other).keys(), 30, "the other has its own")
        assert not own & here(other).keys()
        for each in theirs:
            known = here(lead)[each]
            assert {**known, "text": None} == {**here(other)[each], "text": None}
        one = next(iter(theirs))
        thumbs = {"exchange_id": one, "metric": "thumbs_down", "value": 1}
        other.client.post("/tipstaff/v1/feedback", json=thumbs).raise_for_status()
        until(lambda: lead.exchange(one)["feedback"] != [], 20, "feedback comes too")
        assert lead.said("gathers  other")
        ledger = lead.settled()
        for stream in ("verdicts", "feedback"):
            assert ledger[stream]["balanced"], ledger[stream]
        assert lead.status()["warnings"] == []
        assert other.settled()["verdicts"]["consumers"]["relay"]["lost"] == 0


def test_a_bad_version_that_only_the_other_gateway_serves_is_rolled_back_on_both(pair: Pair) -> None:
    lead, other = pair.fleet.lead, pair.fleet.other
    pair.canary.begin(steady(OVER_REFUSING))
    (pair.fleet.folder / "plan.yaml").write_text(OVER_REFUSAL)
    admin = ("--admin", f"127.0.0.1:{lead.admin_port}", "--token-file", pair.fleet.folder / "operator")
    with lead, other:
        until(lambda: other.status()["table"]["version"] > 0, 20, "the other follows")
        plan = pair.fleet.folder / "plan.yaml"
        started = tipstaff("rollout", "start", "assistant", "--plan", plan, "--reason", "v2", *admin)
        assert started.returncode == 0, started.stderr
        until(lambda: "canary" in arms_of(other), 20, "the canary is there")
        nobody_new_comes_now(lead)
        numbers = count()

        def rolled_back() -> bool:
            for number in islice(numbers, 20):
                ask_something(other, number)
            shown = lead.admin.get("/api/v1/models/assistant/rollout").raise_for_status().json()
            return bool(shown["status"] == "rolled_back")

        until(rolled_back, 120, "the lead takes it back")
        until(lambda: "canary" not in arms_of(other), 10, "nobody at the other gets it any more")
        verified = tipstaff("rollout", "verify", "assistant", *admin)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_gateway_that_is_lost_is_taken_off_the_list_in_the_middle_of_a_rollout(pair: Pair) -> None:
    lead, other = pair.fleet.lead, pair.fleet.other
    (pair.fleet.folder / "plan.yaml").write_text(OVER_REFUSAL)
    admin = ("--admin", f"127.0.0.1:{lead.admin_port}", "--token-file", pair.fleet.folder / "operator")
    with lead:
        with other:
            started = tipstaff(
                *("rollout", "start", "assistant", "--plan", pair.fleet.folder / "plan.yaml"),
                *("--reason", "v2", *admin),
            )
            assert started.returncode == 0, started.stderr
            until(lambda: "canary" in arms_of(other), 20, "the canary is there")
        until(lambda: _warned(lead, "nothing heard of other for"), 60, "the lead says whom it waits for")
        pair.canary.begin(steady(OVER_REFUSING))
        lead.config.write_text(lead.config.read_text().replace("gather:\n  - other\n", "gather: []\n"))
        before = lead.pid()
        reloaded = tipstaff("reload", *admin)
        assert reloaded.returncode == 0, reloaded.stderr
        numbers = count()

        def rolled_back() -> bool:
            for number in islice(numbers, 20):
                ask_something(lead, number)
            answer = lead.admin.get("/api/v1/models/assistant/rollout")
            return answer.is_success and answer.json()["status"] == "rolled_back"

        until(rolled_back, 60, "it is taken back without the other")
        assert lead.pid() == before
        until(lambda: lead.status()["warnings"] == [], 20, "nobody is waited for")
        verified = tipstaff("rollout", "verify", "assistant", *admin)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def nobody_new_comes_now(lead: Stack) -> None:
    """In the middle of a rollout; who starts again as it was goes on."""
    lead.stop()
    text = lead.config.read_text()
    lead.config.write_text(text.replace("- other\n", "- other\n  - third\n"))
    refused = tipstaff("serve", lead.config, environment=lead.environment)
    assert refused.returncode == 2, refused.stderr
    assert "third is new, and a rollout of assistant is under way" in refused.stderr
    lead.config.write_text(text)
    lead.start()


def test_nothing_is_lost_and_nothing_counted_twice_whatever_is_killed(
    own_pair: Pair, own_broker: KafkaBroker
) -> None:
    lead, other = own_pair.fleet.lead, own_pair.fleet.other
    with lead, other:
        people = People(other.url, "assistant")
        with people.asking(4):
            for process, stack in (("gather", lead), ("relay", other), ("gather", lead), ("controller", lead)):
                goal = len(people.answered) + 60
                killed = stack.kill(process)
                until(
                    lambda stack=stack, process=process, killed=killed: stack.restarted(process, killed),  # type: ignore[misc]
                    60,
                    f"{process} is started again",
                )
                until(lambda goal=goal: len(people.answered) > goal, 60, "people go on")  # type: ignore[misc]
            own_broker.kill()
            goal = len(people.answered) + 100
            until(lambda: len(people.answered) > goal, 60, "people go on without a broker")
            until(lambda: _warned(lead, "nothing heard of other for"), 60, "the lead says whom it waits for")
            own_broker.start()
            own_broker.wait_ready()
        assert people.broken == 0
        until(lambda: here(lead).keys() >= people.answered, 60, "the lead has all of them")
        account = lead.settled()["verdicts"]
        assert account["balanced"], account
        assert account["consumers"]["controller"]["lost"] == 0
        until(lambda: not _warned(lead, "nothing heard"), 30, "they have found each other again")
        assert account["appended"] == other.settled()["verdicts"]["appended"] == len(here(lead))
