"""The sink against real brokers: topics that are there or not, what is too large, silence, TLS, passwords."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError

from gateway.clock import SystemClock
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.ports import BrokersAway, Entry
from gateway.settings import Kafka
from tests.support.events import verdict
from tests.support.kafka import KafkaBroker, messages, topics

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("nothing_is_left"),
    pytest.mark.filterwarnings("ignore:unclosed <.*socket:ResourceWarning"),  # see `nothing_is_left`
]


def sink_to(bootstrap: str, prefix: str, password: str = "", **more: object) -> KafkaSink:
    given = {"bootstrap": bootstrap, "prefix": prefix, "streams": ["verdicts"], **more}
    return KafkaSink(KafkaOptions(Kafka.model_validate(given), password), "verdicts", "here")


def events(*numbers: int, model: str = "assistant", time_us: int = 1) -> list[Entry]:
    made = (msgspec.structs.replace(verdict(number), model=model) for number in numbers)
    return [Entry("p", n, time_us + n, event) for n, event in zip(numbers, made, strict=True)]


def sequences(bootstrap: str, topic: str) -> list[int]:
    return [int(message.headers["ce_sequence"]) for message in messages(bootstrap, topic)]


@pytest.fixture
def admin(kafka_broker: KafkaBroker) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)) as client:
        yield client


def test_topics_are_made_as_configured_and_taken_as_they_are(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient
) -> None:
    for partitions in (4, 9):  # the second finds it
        with closing(sink_to(kafka_broker.bootstrap, "made.", partitions=partitions, replication=1)) as sink:
            assert sink.deliver(events(partitions)) == {}
    (found,) = admin.describe_topics(["made.verdicts"])
    assert len(found["partitions"]) == 4
    assert sequences(kafka_broker.bootstrap, "made.verdicts") == [4, 9]


def test_a_missing_topic_is_named_and_found_once_it_is_there(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient
) -> None:
    with closing(sink_to(kafka_broker.bootstrap, "late.", create=False)) as sink:
        with pytest.raises(
            BrokersAway, match=r"has no topic late\.verdicts: create it, or set events\.kafka\.create"
        ):
            sink.deliver(events(1))
        assert "late.verdicts" not in topics(kafka_broker.bootstrap)
        admin.create_topics({"late.verdicts": {"num_partitions": 1}}, wait_for_metadata=True)
        assert sink.deliver(events(1)) == {}
    assert sequences(kafka_broker.bootstrap, "late.verdicts") == [1]


def test_a_topic_that_is_deleted_meanwhile_is_made_again(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient
) -> None:
    with closing(sink_to(kafka_broker.bootstrap, "gone.")) as sink:
        assert sink.deliver(events(1)) == {}
        admin.delete_topics(["gone.verdicts"])
        with pytest.raises(BrokersAway) as caught:
            sink.deliver(events(2))
        assert caught.value.kind == "KafkaTimeoutError"
        assert sink.deliver(events(2)) == {}
    assert sequences(kafka_broker.bootstrap, "gone.verdicts") == [2]


def test_what_a_topic_does_not_take_is_told_apart_from_the_rest(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient
) -> None:
    shape = {"num_partitions": 1, "configs": {"max.message.bytes": "20000"}}
    admin.create_topics({"small.verdicts": shape}, wait_for_metadata=True)
    batch = [*events(*range(100)), *events(100, model="m" * 30_000), *events(101, 102)]
    with closing(sink_to(kafka_broker.bootstrap, "small.")) as sink:
        refused = sink.deliver(batch)
    assert refused.keys() == {100}
    assert "larger than the maximum" in refused[100]
    assert sequences(kafka_broker.bootstrap, "small.verdicts") == [*range(100), 101, 102]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user may write, and not look at how topics are configured."""

    def refuse(*_: object, **__: object) -> None:
        raise TopicAuthorizationFailedError

    monkeypatch.setattr(KafkaAdminClient, "describe_configs", refuse)


@pytest.mark.usefixtures("blind")
def test_a_bound_that_we_may_not_know_is_found_by_halves(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient
) -> None:
    shape = {"num_partitions": 1, "configs": {"max.message.bytes": "20000"}}
    admin.create_topics({"blind.verdicts": shape}, wait_for_metadata=True)
    batch = [*events(*range(100)), *events(100, model="m" * 30_000), *events(101, 102)]
    with closing(sink_to(kafka_broker.bootstrap, "blind.")) as sink:
        refused = sink.deliver(batch)
        assert sink.deliver(events(103)) == {}
    assert refused.keys() == {100}
    assert "MessageSizeTooLarge" in refused[100]
    found = sequences(kafka_broker.bootstrap, "blind.verdicts")
    assert set(found) == {*range(100), 101, 102, 103}


@pytest.mark.parametrize("old", [{3}, set(range(40))])
def test_a_time_that_a_topic_does_not_take_is_told_apart_from_the_rest(
    kafka_broker: KafkaBroker, admin: KafkaAdminClient, old: set[int]
) -> None:
    prefix = f"timed{len(old)}."
    shape = {"num_partitions": 2, "configs": {"message.timestamp.before.max.ms": "3600000"}}
    admin.create_topics({f"{prefix}verdicts": shape}, wait_for_metadata=True)
    now = SystemClock().now_us()
    batch = [entry for n in range(40) for entry in events(n, time_us=1 if n in old else now)]
    with closing(sink_to(kafka_broker.bootstrap, prefix)) as sink:
        refused = sink.deliver(batch)
        assert sink.deliver(events(40, time_us=now)) == {}
    assert refused.keys() == old
    assert all("InvalidTimestamp" in why for why in refused.values())
    assert set(sequences(kafka_broker.bootstrap, f"{prefix}verdicts")) == set(range(41)) - old


def test_compressed_events_are_the_same_events(kafka_broker: KafkaBroker) -> None:
    with closing(sink_to(kafka_broker.bootstrap, "gzip.", compression="gzip")) as sink:
        assert sink.deliver(events(*range(50))) == {}
    assert sorted(sequences(kafka_broker.bootstrap, "gzip.verdicts")) == list(range(50))


def test_a_broker_that_falls_silent_is_given_up_and_found_again(own_broker: KafkaBroker) -> None:
    own_broker.start()
    own_broker.wait_ready()
    with closing(sink_to(own_broker.bootstrap, "silent.")) as sink:
        assert sink.deliver(events(1)) == {}
        own_broker.pause()
        for _ in range(2):  # in the middle, and from the start
            with pytest.raises(BrokersAway):
                sink.deliver(events(2))
        own_broker.resume()
        assert sink.deliver(events(2)) == {}
    assert set(sequences(own_broker.bootstrap, "silent.verdicts")) == {1, 2}


Made = Callable[..., KafkaBroker]


@pytest.fixture
def guarded(kafka_jars: Path, tmp_path: Path) -> Iterator[Made]:
    """Makes and starts a broker that lets in the user tipstaff, over TLS where it is given files."""
    made: list[KafkaBroker] = []

    def make(listener: str, **more: str) -> KafkaBroker:
        jaas = (
            "org.apache.kafka.common.security.plain.PlainLoginModule required "
            'username="broker" password="b" user_broker="b" user_tipstaff="right";'
        )
        plain = {
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": jaas,
        }
        broker = KafkaBroker(kafka_jars, tmp_path / "guarded", listener=listener, more={**plain, **more})
        made.append(broker)
        broker.start()
        broker.wait_ready()
        return broker

    yield make
    for broker in made:
        broker.kill()


SASL = {"username": "tipstaff", "password_file": "read elsewhere", "mechanism": "PLAIN"}


def test_a_password_opens_and_a_wrong_one_is_said_to_be_wrong(guarded: Made) -> None:
    broker = guarded("SASL_PLAINTEXT")
    with closing(sink_to(broker.bootstrap, "sasl.", "right", sasl=SASL)) as sink:
        assert sink.deliver(events(1)) == {}
    with (
        closing(sink_to(broker.bootstrap, "sasl.", "wrong", sasl=SASL)) as sink,
        pytest.raises(BrokersAway, match="does it want TLS, a user, or another password"),
    ):
        sink.deliver(events(1))


def test_tls_checks_the_broker_and_shows_our_certificate(guarded: Made, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("broker", "ca", "cert", "key", "stranger")}
    files["broker"].write_bytes(pem(authority.issue_cert("127.0.0.1")))
    authority.cert_pem.write_to_path(files["ca"])
    stranger.cert_pem.write_to_path(files["stranger"])
    ours = authority.issue_cert("tipstaff.example.org")
    files["cert"].write_bytes(b"".join(blob.bytes() for blob in ours.cert_chain_pems))
    ours.private_key_pem.write_to_path(files["key"])
    broker = guarded(
        "SASL_SSL",
        **{
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(files["broker"]),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(files["ca"]),
            "ssl.client.auth": "requested",
        },
    )
    tls = {"ca": files["ca"], "cert": files["cert"], "key": files["key"]}
    with closing(sink_to(broker.bootstrap, "tls.", "right", sasl=SASL, tls=tls)) as sink:
        assert sink.deliver(events(1)) == {}
    for wrong, words in (
        ({"tls": {"ca": files["stranger"]}}, "CERTIFICATE_VERIFY_FAILED"),
        ({}, "does it want TLS"),
    ):
        with (
            closing(sink_to(broker.bootstrap, "tls.", "right", sasl=SASL, **wrong)) as sink,
            pytest.raises(BrokersAway, match=words),
        ):
            sink.deliver(events(2))


@pytest.mark.parametrize(
    ("bootstrap", "words"), [("127.0.0.1:9", "ECONNREFUSED"), ("kafka.invalid:9092", "DNS Resolution failure")]
)
def test_an_address_where_nobody_is_is_said_to_be_one(bootstrap: str, words: str) -> None:
    with closing(sink_to(bootstrap, "x.")) as sink, pytest.raises(BrokersAway, match=words) as caught:
        sink.deliver(events(1))
    assert str(caught.value).startswith(f"Kafka at {bootstrap}: ")
    assert caught.value.kind == "no_answer"


def pem(certificate: trustme.LeafCert) -> bytes:
    """Key and chain in one file, the key in the form that Java reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(
        blob.bytes() for blob in certificate.cert_chain_pems
    )
