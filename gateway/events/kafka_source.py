"""Streams of other gateways out of Kafka, through kafka-python: all partitions, from where one has got to."""

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from gateway.events.gather import Read
from gateway.events.gathering import Offsets
from gateway.events.kafka_clients import away, open_consumer
from gateway.events.kafka_options import KafkaOptions
from gateway.events.schema import Topic
from gateway.ports import BrokersAway

log = structlog.get_logger(__name__)

_CLOSE_MS = 2_000


class KafkaSource:
    """`gateway.events.gather.Source`. Every method raises BrokersAway, and begins anew with the next `open`."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._consumer: KafkaConsumer | None = None
        self._streams: dict[str, Topic] = {}

    def open(self, start: Mapping[Topic, Offsets | None]) -> None:
        """See Source."""
        self._streams = {self._options.topic(stream): stream for stream in start}
        try:
            self._consumer = open_consumer(self._options.consumer())
            self._assign(self._consumer, {self._options.topic(stream): at for stream, at in start.items()})
        except (KafkaError, AssertionError, OSError, ValueError) as error:
            raise self._away(error) from error
        log.info("connected to Kafka", servers=self._options.servers, topics=sorted(self._streams))

    def _assign(self, consumer: KafkaConsumer, start: Mapping[str, Offsets | None]) -> None:
        found = {topic: consumer.partitions_for_topic(topic) for topic in start}
        if missing := sorted(topic for topic, partitions in found.items() if not partitions):
            raise BrokersAway(
                "topic_missing", f"Kafka at {self._options.servers} has no topic {', '.join(missing)} yet"
            )
        places = [TopicPartition(topic, each) for topic, partitions in found.items() for each in partitions]
        consumer.assign(places)
        for place in places:
            at = start[place.topic]
            if at is None:
                consumer.seek_to_end(place)
            else:
                consumer.seek(place, at.get(place.partition, 0))

    def poll(self, seconds: float) -> list[Read]:
        """See Source."""
        consumer = self._open
        try:
            self._follow_partitions(consumer)
            found = consumer.poll(timeout_ms=round(seconds * 1000))
        except (KafkaError, AssertionError, OSError, ValueError) as error:
            raise self._away(error) from error
        return [
            Read(self._streams[place.topic], place.partition, each.offset, dict(each.headers), each.value or b"")
            for place, records in found.items()
            for each in records
        ]

    def _follow_partitions(self, consumer: KafkaConsumer) -> None:
        """A topic may get more of them."""
        known = consumer.assignment()
        fresh = [
            TopicPartition(topic, each)
            for topic in self._streams
            for each in consumer.partitions_for_topic(topic) or ()
            if TopicPartition(topic, each) not in known
        ]
        if fresh:
            consumer.assign([*known, *fresh])
            for place in fresh:
                consumer.seek(place, 0)

    def read(self, stream: Topic) -> dict[int, int]:
        """See Source."""
        try:
            return {place.partition: self._open.position(place) for place in self._places(stream)}
        except (KafkaError, AssertionError, OSError) as error:
            raise self._away(error) from error

    def skip(self, stream: Topic) -> None:
        """Poll only what comes from now on."""
        try:
            for place in self._places(stream):
                self._open.seek_to_end(place)
                self._open.position(place)  # kafka-python looks for the end once it is asked where it is
        except (KafkaError, AssertionError, OSError) as error:
            raise self._away(error) from error

    def ends(self, stream: Topic) -> dict[int, int]:
        """See Source."""
        try:
            found = self._open.end_offsets(self._places(stream))
        except (KafkaError, AssertionError, OSError) as error:
            raise self._away(error) from error
        return {place.partition: int(end) for place, end in found.items()}

    def hold(self, stream: Topic, partitions: Collection[int]) -> None:
        """See Source."""
        for place in self._places(stream):
            if place.partition in partitions:
                self._open.pause(place)
            else:
                self._open.resume(place)

    def close(self) -> None:
        """See Source."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)
            except KafkaError as error:
                log.debug("a consumer did not close in order", error=str(error))

    @property
    def _open(self) -> KafkaConsumer:
        if self._consumer is None:
            raise BrokersAway("closed", "not connected to Kafka")
        return self._consumer

    def _places(self, stream: Topic) -> list[Any]:
        return [place for place in self._open.assignment() if self._streams[place.topic] == stream]

    def _away(self, error: Exception) -> BrokersAway:
        self.close()
        return away(self._options.servers, error)
