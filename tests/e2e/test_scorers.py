"""Scorers of their own: gateways that have their exchanges read over Kafka."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.behaviour import steady
from tests.support.fleet import Fleet, arms_of, ask_something
from tests.support.kafka import KafkaBroker, check_valid, messages
from tests.support.people import question
from tests.support.plans import OVER_REFUSAL
from tests.support.scorers import Scorers
from tests.support.simulated import OVER_REFUSING, simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def kafka(kafka_broker: KafkaBroker, request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"bootstrap": kafka_broker.bootstrap, "prefix": f"{request.node.name[:40]}.", "partitions": 3}


@pytest.fixture
def scorers(tmp_path: Path, kafka: dict[str, Any]) -> Iterator[Scorers]:
    with Scorers(tmp_path / "scorers", kafka) as found:
        yield found


def test_a_gateway_without_a_classifier_of_its_own_waits_for_scorers_and_keeps_texts_itself(
    tmp_path: Path, kafka: dict[str, Any], scorers: Scorers
) -> None:
    with simulated("v1") as (model,):
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": {"stable": {"endpoints": [model.url]}}}}
        events = {"source": "north", "kafka": kafka, "content": "include"}
        with Stack(tmp_path, models, events=events, retention={"days": 7}) as stack:
            body = question("assistant", max_tokens=4)
            body["messages"][0]["content"] = "My number is 555-123-4567. What is the sea?"
            answer = stack.client.post("/v1/chat/completions", json=body, headers={"x-user-id": "ada"})
            identifier = answer.raise_for_status().headers["x-tipstaff-exchange"]
            said = "scorer-0: no scorer has answered for"
            until(
                lambda: any(said in each for each in stack.status()["warnings"]), 30, "that nobody answers is said"
            )
            assert stack.exchanges() == []
            scorers.start(1)
            found = stack.exchange(identifier)
            assert found["text"]["turns"][0]["text"] == "My number is [phone]. What is the sea?"
            assert found["verdict"]["evaluators"].keys() == {"rules"}
            until(lambda: stack.status()["warnings"] == [], 20, "all is well again")
            ledger = stack.settled()
            assert all(each["balanced"] for each in ledger.values()), ledger
    for topic, kind in (("exchanges", "exchange"), ("scores", "score")):
        (message,) = messages(kafka["bootstrap"], kafka["prefix"] + topic)
        assert check_valid(message) == f"dev.tipstaff.{kind}.v1"


def test_two_gateways_and_three_scorers_decide_as_one(
    tmp_path: Path, kafka: dict[str, Any], scorers: Scorers
) -> None:
    with simulated("v1", "v2") as (stable, canary):
        arms = {
            "stable": {"endpoints": [stable.url], "version": "1"},
            "canary": {"endpoints": [canary.url], "version": "2"},
        }
        fleet = Fleet(tmp_path, arms, kafka, content="include")
        lead, other = fleet.lead, fleet.other
        admin = ("--admin", f"127.0.0.1:{lead.admin_port}", "--token-file", tmp_path / "operator")
        scorers.start(3)
        with lead, other:
            scorers.ready()
            canary.begin(steady(OVER_REFUSING))
            lead.start_rollout("assistant", OVER_REFUSAL, tmp_path / "operator")
            until(lambda: "canary" in arms_of(other), 20, "the canary is there")
            numbers, asked = count(), set[str]()

            def rolled_back() -> bool:
                asked.update(ask_something(lead if each % 2 else other, each) for each in islice(numbers, 20))
                shown = lead.admin.get("/api/v1/models/assistant/rollout").raise_for_status().json()
                return bool(shown["status"] == "rolled_back")

            rolled_back()
            scorers.kill()
            until(rolled_back, 120, "the lead takes it back")
            until(lambda: "canary" not in arms_of(other), 10, "nobody gets it any more")
            until(lambda: asked <= {each["id"] for each in lead.exchanges()}, 60, "the lead has all of them")
            for each in (lead, other):
                account = each.settled()["verdicts"]
                assert account["balanced"], account
            verified = tipstaff("rollout", "verify", "assistant", *admin)
            assert verified.returncode == 0, verified.stdout + verified.stderr
