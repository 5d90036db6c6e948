"""The source against a real broker: from where it reads, and what becomes of topics that change under it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient

from gateway.events.cloudevents import parse
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.events.kafka_source import KafkaSource
from gateway.ports import BrokersAway, Entry
from gateway.settings import Kafka
from tests.support.events import feedback
from tests.support.kafka import KafkaBroker
from tests.support.wait import until

if TYPE_CHECKING:
    from gateway.events.gather import Read
    from gateway.events.gathering import Offsets
    from gateway.events.schema import Topic

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("nothing_is_left"),
    pytest.mark.filterwarnings("ignore:unclosed <.*socket:ResourceWarning"),  # see there
]


class Topics:
    """Feedback of a gateway in a broker's topics, and who reads it."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.options = KafkaOptions(
            Kafka.model_validate({"bootstrap": bootstrap, "prefix": prefix, "partitions": 2, "replication": 1})
        )
        self.topic = self.options.topic("feedback")
        self.source = KafkaSource(self.options)

    def send(self, *numbers: int) -> None:
        with closing(KafkaSink(self.options, "feedback", "east")) as sink:
            assert sink.deliver([Entry("proxy-0", each, 1 + each, feedback(each)) for each in numbers]) == {}

    def begin(self, at: "Offsets | None") -> None:
        self.source.close()
        start: dict[Topic, Offsets | None] = {"feedback": at}
        self.source.open(start)

    def come(self, count: int, seconds: float = 30) -> list[int]:
        """The sequences of the next `count`, sorted."""
        found: list[Read] = []

        def more() -> bool:
            found.extend(self.source.poll(0.1))
            return len(found) >= count

        until(more, seconds, f"{count} records")
        return sorted(parse(each.headers, each.payload)[1].sequence for each in found)


@pytest.fixture
def made(kafka_broker: KafkaBroker) -> Iterator[Callable[[str], Topics]]:
    opened: list[Topics] = []

    def make(prefix: str) -> Topics:
        opened.append(Topics(kafka_broker.bootstrap, prefix))
        return opened[-1]

    yield make
    for each in opened:
        each.source.close()


@pytest.fixture
def admin(kafka_broker: KafkaBroker) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)) as client:
        yield client


def test_it_reads_from_where_it_is_told(made: Callable[[str], Topics]) -> None:
    topics = made("source.from.")
    topics.send(*range(20))
    topics.begin({})
    assert topics.come(20) == list(range(20))
    read = topics.source.read("feedback")
    assert read == topics.source.ends("feedback")
    assert sum(read.values()) == 20
    topics.begin({partition: end - 1 for partition, end in read.items()})
    assert len(topics.come(len(read))) == len(read)
    topics.begin(None)
    assert topics.source.poll(0.5) == []
    topics.send(20)
    assert topics.come(1) == [20]


def test_what_is_held_waits(made: Callable[[str], Topics]) -> None:
    topics = made("source.held.")
    topics.send(0)
    topics.begin({})
    topics.come(1)
    topics.source.hold("feedback", [0, 1])
    topics.send(*range(1, 10))
    assert topics.source.poll(0.5) == []
    topics.source.hold("feedback", [])
    assert topics.come(9) == list(range(1, 10))


def test_a_topic_that_is_missing_is_named(made: Callable[[str], Topics]) -> None:
    topics = made("source.missing.")
    with pytest.raises(BrokersAway, match=r"has no topic source\.missing\.feedback yet"):
        topics.begin({})
    topics.send(0)
    topics.begin({})
    assert topics.come(1) == [0]


def test_partitions_that_are_added_are_read_too(made: Callable[[str], Topics], admin: KafkaAdminClient) -> None:
    topics = made("source.more.")
    topics.send(*range(10))
    topics.begin({})
    assert topics.come(10) == list(range(10))
    admin.create_partitions({topics.topic: 8})
    topics.send(*range(10, 40))
    assert topics.come(30, 60) == list(range(10, 40))
    assert len(topics.source.read("feedback")) == 8


def test_a_topic_that_was_made_anew_is_read_from_its_start(
    made: Callable[[str], Topics], admin: KafkaAdminClient
) -> None:
    topics = made("source.anew.")
    topics.send(*range(30))
    topics.begin({})
    topics.come(30)
    read = topics.source.read("feedback")
    topics.source.close()
    admin.delete_topics([topics.topic])
    until(lambda: topics.topic not in admin.list_topics(), 20, "the topic is gone")
    topics.send(*range(30, 34))
    topics.begin(read)  # further than the new one goes
    assert topics.come(4) == [30, 31, 32, 33]


def test_a_broker_that_is_killed_is_found_again(own_broker: KafkaBroker) -> None:
    own_broker.start()
    own_broker.wait_ready()
    topics = Topics(own_broker.bootstrap, "source.killed.")
    with closing(topics.source):
        topics.send(0)
        topics.begin({})
        assert topics.come(1) == [0]
        own_broker.kill()
        assert topics.source.poll(0.5) == []
        own_broker.start()
        own_broker.wait_ready()
        topics.send(1)
        assert topics.come(1) == [1]
        own_broker.kill()
        with pytest.raises(BrokersAway):
            topics.source.ends("feedback")
