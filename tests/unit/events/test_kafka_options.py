"""The configuration in kafka-python's words."""

from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from pydantic import ValidationError

from gateway.events.kafka_options import KafkaOptions
from gateway.settings import Kafka


def kafka(**given: object) -> Kafka:
    return Kafka.model_validate({"bootstrap": "a:1, b:2", **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"security_protocol": "PLAINTEXT"}),
        ({"tls": {}}, {"security_protocol": "SSL"}),
        (
            {"tls": {"ca": "ca.pem", "cert": "c.pem", "key": "k.pem"}},
            {
                "security_protocol": "SSL",
                "ssl_cafile": "ca.pem",
                "ssl_certfile": "c.pem",
                "ssl_keyfile": "k.pem",
            },
        ),
        (
            {"sasl": {"username": "u", "password_file": "p", "mechanism": "PLAIN"}},
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": "u",
                "sasl_plain_password": "secret",
            },
        ),
        (
            {"tls": {}, "sasl": {"username": "u", "password_file": "p"}},
            {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": "u",
                "sasl_plain_password": "secret",
            },
        ),
    ],
)
def test_security(given: dict[str, object], expected: dict[str, Any]) -> None:
    made = KafkaOptions(kafka(**given), "secret").client()
    assert {name: value for name, value in made.items() if name.startswith(("security", "ssl", "sasl"))} == expected


def test_kafka_python_knows_every_word() -> None:
    options = KafkaOptions(kafka(tls={"ca": Path("ca")}, sasl={"username": "u", "password_file": "p"}), "s")
    assert options.client().keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()
    assert options.consumer().keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()
    assert options.producer(1000).keys() <= KafkaProducer.DEFAULT_CONFIG.keys()


def test_topics_and_their_shape() -> None:
    options = KafkaOptions(kafka(prefix="team-a."))
    assert options.topic("audit") == "team-a.audit"
    assert options.new_topic("audit") == {"num_partitions": 6, "replication_factor": -1}
    assert KafkaOptions(kafka(partitions=3, replication=2)).new_topic("audit") == {
        "num_partitions": 3,
        "replication_factor": 2,
    }
    progress = options.new_topic("progress")
    assert (progress["num_partitions"], progress["configs"]) == (1, {"retention.ms": "3600000"})
    assert options.servers == "a:1, b:2"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bootstrap": "kafka"}, "host:port"),
        ({"bootstrap": []}, "at least 1"),
        ({"streams": ["exchanges"]}, "verdicts"),
        ({"prefix": "a b"}, "pattern"),
        ({"tls": {"cert": "c.pem"}}, "give both, or none"),
        ({"sasl": {"username": "u", "password_file": "p", "mechanism": "GSSAPI"}}, "SCRAM-SHA-512"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        kafka(**given)
