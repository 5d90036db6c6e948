"""Exchanges for scorers out of Kafka, and their findings back: a consumer group, and the gateway's end of it."""

from collections.abc import Sequence
from contextlib import suppress

import structlog
from kafka import KafkaConsumer
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError

from gateway.events.cloudevents import parse
from gateway.events.gather import Read
from gateway.events.kafka_clients import away, open_consumer
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.events.kafka_source import KafkaSource
from gateway.events.kafka_topics import find_topic
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.ports import Clock, Entry
from gateway.processes import SCORER

log = structlog.get_logger(__name__)

_CLOSE_MS = 5_000
_ERRORS = (KafkaError, AssertionError, OSError, ValueError)
"""What kafka-python raises where brokers, or what it was given, are of no use."""


class KafkaGroup:
    """`gateway.scoring.worker.Group`: partitions are dealt out among all in the group. `at_once`: exchanges."""

    def __init__(self, options: KafkaOptions, at_once: int) -> None:
        self._options = options
        self._at_once = at_once
        self._consumer: KafkaConsumer | None = None

    def poll(self, seconds: float) -> list[Read]:
        """See Group."""
        try:
            found = self._connected().poll(timeout_ms=round(seconds * 1000))
        except _ERRORS as error:
            raise away(self._options.servers, error) from error
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
        except _ERRORS as error:
            raise away(self._options.servers, error) from error

    def close(self) -> None:
        """See Group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError):
                consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            find_topic(self._options, "exchanges")
            topic = self._options.topic("exchanges")
            self._consumer = open_consumer(self._options.group(self._at_once))
            self._consumer.subscribe([topic])
            log.info("connected to Kafka", servers=self._options.servers, topic=topic)
        return self._consumer


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

    def begin(self) -> None:
        """See Post. Others' scores, of which there may be many by now, are skipped."""
        if not self._listening:
            try:
                find_topic(self._options, "scores")
            except _ERRORS as error:
                raise away(self._options.servers, error) from error
            self._scores.open({"scores": None})
            self._listening = True
        self._scores.skip("scores")

    def send(self, exchanges: Sequence[ExchangeV1]) -> dict[str, str]:
        """See Post."""
        first, self._count = self._count, self._count + len(exchanges)
        now_us = self._clock.now_us()
        entries = [Entry(SCORER, first + number, now_us, each) for number, each in enumerate(exchanges)]
        return {exchanges[number].id: why for number, why in self._sink.deliver(entries).items()}

    def receive(self, seconds: float) -> list[ScoreV1]:
        """See Post."""
        end = self._clock.monotonic() + seconds
        while True:
            found = [score for each in self._scores.poll(seconds) if (score := self._ours(each)) is not None]
            if found or self._clock.monotonic() >= end:
                return found

    def _ours(self, read: Read) -> ScoreV1 | None:
        try:
            _, entry = parse(read.headers, read.payload)
        except ValueError as error:
            log.debug("a record is passed over", partition=read.partition, offset=read.offset, why=str(error))
            return None
        score = entry.event
        return score if isinstance(score, ScoreV1) and score.gateway == self._own else None

    def close(self) -> None:
        """See Post."""
        self._listening = False
        self._sink.close()
        self._scores.close()
