"""The whole gateway with Kafka behind it: what an outsider reads there, and what becomes of it when brokers go."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka import KafkaBroker, KafkaCluster, Message, check_valid, messages, topics
from tests.support.people import People
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.wait import until

pytestmark = pytest.mark.timeout(300)

STREAMS = ("verdicts", "feedback", "decisions", "audit")
TYPES = {"decisions": "decision", "verdicts": "verdict"}
RELAY = "relay"


def models(*urls: str) -> dict[str, Any]:
    stable, canary = urls
    return {
        "assistant": {"arms": {"stable": {"endpoints": [stable]}, "canary": {"endpoints": [canary], "weight": 50}}}
    }


def to_kafka(bootstrap: str, prefix: str = "tipstaff.", **more: object) -> dict[str, Any]:
    return {"source": "here", "kafka": {"bootstrap": bootstrap, "prefix": prefix, "partitions": 3, **more}}


def read(bootstrap: str, prefix: str = "tipstaff.") -> dict[str, list[Message]]:
    return {stream: messages(bootstrap, prefix + stream) for stream in STREAMS}


def spooled(stack: Stack) -> int:
    return sum(each["consumers"].get(RELAY, {"spooled": 0})["spooled"] for each in stack.ledger().values())


def check_whole(found: dict[str, list[Message]], ledger: dict[str, dict[str, Any]]) -> None:
    """Every event that was ever appended is there, whatever was delivered twice; the ledger says so too."""
    for stream, there in found.items():
        account = ledger[stream]
        assert account["settled"], (stream, account)
        assert account["consumers"][RELAY] == {"delivered": account["appended"], "spooled": 0, "lost": 0}
        assert len({message.id for message in there}) == account["appended"], stream
        places = {(message.headers["ce_producer"], int(message.headers["ce_sequence"])) for message in there}
        ends = Counter(producer for producer, _ in places)
        assert places == {(producer, number) for producer, end in ends.items() for number in range(end)}, stream


def test_an_outsider_reads_all_that_happened(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    prefix = "outsider."
    with (
        simulated("stable", "canary") as servers,
        Stack(
            tmp_path,
            models(*(server.url for server in servers)),
            events=to_kafka(kafka_broker.bootstrap, prefix),
            expose_arm=True,
        ) as stack,
    ):
        people = People(stack.url, "assistant")
        with people.asking(6):
            until(lambda: len(people.answered) > 150, 60, "150 answers")
        one = next(iter(people.answered))
        stack.client.post(
            "/tipstaff/v1/feedback", json={"exchange_id": one, "metric": "thumbs_down", "value": 1}
        ).raise_for_status()
        change = {"weights": {"canary": 20}, "reason": "for the outsider to read"}
        stack.admin.put("/api/v1/models/assistant/weights", json=change).raise_for_status()
        until(lambda: stack.ledger()["decisions"]["appended"] == 2, 20, "the decision is in the log")
        ledger = stack.settled()
        arms = {each["id"]: each["served"] for each in stack.exchanges()}
    found = read(kafka_broker.bootstrap, prefix)
    check_whole(found, ledger)
    for stream, there in found.items():
        for message in there:
            assert check_valid(message) == f"dev.tipstaff.{TYPES.get(stream, stream)}.v1"
            assert message.headers["ce_source"] == "/tipstaff/here"
    verdicts = [json.loads(message.payload) for message in found["verdicts"]]
    assert {each["exchange_id"]: each["assignment"]["served"] for each in verdicts} == arms
    assert arms.keys() >= people.answered
    assert [json.loads(message.payload)["exchange_id"] for message in found["feedback"]] == [one]
    reasons = [json.loads(message.payload)["reason"] for message in found["decisions"]]
    assert reasons == ["first start with this model", "for the outsider to read"]
    assert {json.loads(message.payload)["action"] for message in found["audit"]} == {"config.loaded"}


def test_one_user_is_one_key_and_keeps_their_order(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    prefix = "order."
    with (
        simulated("stable", "canary") as servers,
        Stack(
            tmp_path,
            models(*(server.url for server in servers)),
            events=to_kafka(kafka_broker.bootstrap, prefix, streams=["verdicts"]),
        ) as stack,
    ):
        people = People(stack.url, "assistant")
        with people.asking(5):
            until(lambda: len(people.answered) > 100, 60, "100 answers")
        stack.settled()
    there = messages(kafka_broker.bootstrap, f"{prefix}verdicts")
    assert {name for name in topics(kafka_broker.bootstrap) if name.startswith(prefix)} == {f"{prefix}verdicts"}
    partitions: dict[str, set[int]] = {}
    for message in there:
        partitions.setdefault(message.key, set()).add(message.partition)
    assert len(partitions) == 5
    assert all(len(each) == 1 for each in partitions.values())
    for key in partitions:
        sequences = [int(message.headers["ce_sequence"]) for message in there if message.key == key]
        assert sequences == sorted(sequences)


def test_a_broker_that_is_away_delays_nobody_and_loses_nothing(own_broker: KafkaBroker, tmp_path: Path) -> None:
    with (
        simulated("stable", "canary") as servers,
        Stack(
            tmp_path,
            models(*(server.url for server in servers)),
            events=to_kafka(own_broker.bootstrap),
        ) as stack,
    ):
        people = People(stack.url, "assistant")
        with people.asking(4):
            until(lambda: "relay: Kafka at" in str(stack.status()["warnings"]), 60, "the relay says so")
            assert stack.metric("tipstaff_relay_errors_total") > 0
            own_broker.start()
            own_broker.wait_ready()
            until(lambda: stack.metric("tipstaff_events_delivered_total", consumer=RELAY) > 50, 60, "events flow")
            until(lambda: not stack.status()["warnings"], 30, "the relay says that all is well")
            own_broker.kill()
            until(lambda: spooled(stack) > 100, 60, "events wait")
            own_broker.start()
            own_broker.wait_ready()
            until(lambda: spooled(stack) < 100, 60, "events flow again")
            before = len(people.answered)
            own_broker.pause()
            until(lambda: len(people.answered) > before + 100, 60, "answers while the broker is silent")
            own_broker.resume()
        ledger = stack.settled(90)
        assert stack.metric("tipstaff_relay_lag_seconds") == 0
        verdicts = {each["id"] for each in stack.exchanges()}
        assert people.broken == 0
        check_whole(read(own_broker.bootstrap), ledger)
        found = messages(own_broker.bootstrap, "tipstaff.verdicts")
        there = {json.loads(message.payload)["exchange_id"] for message in found}
        assert there == verdicts
        assert there >= people.answered


def test_one_broker_of_three_may_be_lost(kafka_jars: Path, tmp_path: Path) -> None:
    with (
        KafkaCluster(kafka_jars, tmp_path / "kafka") as cluster,
        simulated("stable", "canary") as servers,
        Stack(
            tmp_path,
            models(*(server.url for server in servers)),
            events=to_kafka(cluster.bootstrap),
        ) as stack,
    ):
        people = People(stack.url, "assistant")
        with people.asking(3):
            until(lambda: stack.metric("tipstaff_events_delivered_total", consumer=RELAY) > 50, 60, "events flow")
            cluster.brokers[0].kill()
            before = stack.metric("tipstaff_events_delivered_total", consumer=RELAY)
            until(
                lambda: stack.metric("tipstaff_events_delivered_total", consumer=RELAY) > before + 200,
                90,
                "events flow to the two that are left",
            )
        ledger = stack.settled(90)
        assert people.broken == 0
        check_whole(read(cluster.brokers[1].bootstrap), ledger)
