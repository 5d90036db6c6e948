"""Exchanges for scorers out of Kafka, and their findings back: a consumer group, and the gateway's end of it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from gateway.events.cloudevents import parse
from gateway.events.gather import Read
from gateway.events.kafka_clients import open_consumer
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.events.kafka_source import KafkaSource
from gateway.events.kafka_topics import find_topic
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.ports import BrokersAway, Clock, Entry
from gateway.processes import SCORER

log = structlog.get_logger(__name__)

_CLOSE_MS = 5_000


class KafkaGroup:
    """`gateway.scoring.worker.Group`: partitions are dealt out among all who are in the group."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._topic = options.topic("exchanges")
        self._consumer: KafkaConsumer | None = None

    def poll(self, seconds: float) -> list[Read]:
        """See Group."""
        try:
            found = self._connected().poll(timeout_ms=round(seconds * 1000))
        except (KafkaError, AssertionError, OSError, ValueError) as error:
            raise self._away(error) from error
        return [
            Read("exchanges", place.partition, each.offset, dict(each.headers), each.value or b"")
            for place, records in found.items()
            for each in records
        ]

    def commit(self) -> None:
        """See Group."""
        try:
            self._connected().commit()
        except (CommitFailedError, RebalanceInProgressError):
            log.info("exchanges were dealt out anew meanwhile: another scorer reads some of them too")
        except (KafkaError, AssertionError, OSError) as error:
            raise self._away(error) from error

    def close(self) -> None:
        """See Group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError):
                consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            find_topic(self._options, self._topic)
            self._consumer = open_consumer(self._options.group())
            self._consumer.subscribe([self._topic])
            log.info("connected to Kafka", servers=self._options.servers, topic=self._topic)
        return self._consumer

    def _away(self, error: Exception) -> BrokersAway:
        self.close()
        return BrokersAway(type(error).__name__, f"Kafka at {self._options.servers} gives nothing: {error!r}")


class KafkaPost:
    """`gateway.scoring.remote.Post`. `source`: this gateway's name."""

    def __init__(self, options: KafkaOptions, source: str, clock: Clock) -> None:
        self._options = options
        self._own = source
        self._clock = clock
        self._sink = KafkaSink(options, "exchanges", source)
        self._scores = KafkaSource(options)
        self._listening = False
        self._count = 0

    def send(self, exchanges: Sequence[ExchangeV1]) -> set[str]:
        """See Post."""
        self._listen()
        now_us = self._clock.now_us()
        first, self._count = self._count, self._count + len(exchanges)
        entries = [Entry(SCORER, first + number, now_us, each) for number, each in enumerate(exchanges)]
        try:
            refused = self._sink.deliver(entries)
        except BrokersAway:
            self.close()
            raise
        return {exchanges[number].id for number in refused}

    def receive(self, seconds: float) -> list[ScoreV1]:
        """See Post."""
        self._listen()
        try:
            reads = self._scores.poll(seconds)
        except BrokersAway:
            self.close()
            raise
        events = [event for each in reads if (event := _event(each)) is not None]
        return [each for each in events if isinstance(each, ScoreV1) and each.gateway == self._own]

    def _listen(self) -> None:
        """Before anything is asked: answers count from here on."""
        if self._listening:
            return
        try:
            find_topic(self._options, self._options.topic("scores"))
        except (KafkaError, OSError, ValueError) as error:
            raise BrokersAway(type(error).__name__, f"Kafka at {self._options.servers}: {error!r}") from error
        self._scores.open({"scores": None})
        self._scores.read("scores")  # kafka-python looks for the end once it is asked where it is
        self._listening = True

    def close(self) -> None:
        """See Post."""
        self._listening = False
        self._sink.close()
        self._scores.close()


def _event(read: Read) -> Any:  # noqa: ANN401 - any event, or None
    try:
        return parse(read.headers, read.payload)[1].event
    except ValueError as error:
        log.warning("a record is passed over", partition=read.partition, offset=read.offset, why=str(error))
        return None
