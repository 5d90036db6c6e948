"""Kafka as the relay's sink, through kafka-python: its client blocks and waits, so it has a thread to itself."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)

from gateway.events.cloudevents import message
from gateway.events.kafka_clients import open_producer
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_topics import find_topic
from gateway.events.schema import Topic
from gateway.ports import BrokersAway, Entry

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0
DELIVERY_SECONDS = 10.0
"""How long brokers may take for a batch before they are taken to be down."""
_UNFIT = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTimestampError,
    InvalidRecordError,
    PolicyViolationError,
)
"""What a topic says of events that it does not take; of those beside them in a batch it says so too."""


Numbered = Sequence[tuple[int, Entry]]
"""Entries with their places in what was handed over."""


class KafkaSink:
    """`gateway.ports.Sink`: a topic, keyed by the event's key, so one unit's events keep their order.

    The producer is idempotent and waits for all in-sync replicas. After a failure it is closed and made anew:
    nothing of an old attempt arrives behind a new one. `source`: this gateway's name in every event.
    """

    def __init__(self, options: KafkaOptions, stream: Topic, source: str) -> None:
        self._options = options
        self._stream = stream
        self._topic = options.topic(stream)
        self._source = source
        self._producer: KafkaProducer | None = None
        self._largest = 0

    def deliver(self, entries: Sequence[Entry]) -> dict[int, str]:
        """See the port."""
        refused: dict[int, str] = {}
        try:
            failed = self._send(self._connected(), list(enumerate(entries)), refused)
            if failed:
                self.close()
                self._producer = open_producer(self._options.producer(self._largest, searching=True))
                self._search(self._producer, [(number, entries[number]) for number in failed], refused)
                self.close()
        except KafkaError as error:
            self.close()
            sentence = f"Kafka at {self._options.servers} takes nothing for {self._topic}: {error}"
            raise BrokersAway(type(error).__name__, sentence) from error
        except (OSError, ValueError) as error:  # a certificate that is none, a key that does not fit it
            self.close()
            raise BrokersAway("connection", f"Kafka at {self._options.servers}: {error}") from error
        return refused

    def close(self) -> None:
        """Let go of the connections; what was not acknowledged is given up."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=CLOSE_SECONDS)
        except KafkaError:
            # With something still on its way kafka-python 3.0 stops half-way, and its thread would go on sending.
            producer._sender.force_close()  # noqa: SLF001 - nothing public does it
            producer._sender.join(CLOSE_SECONDS)  # noqa: SLF001
            with suppress(KafkaError):
                producer.close(timeout=0)

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._largest = find_topic(self._options, self._stream)
            self._producer = open_producer(self._options.producer(self._largest))
            log.info("connected to Kafka", servers=self._options.servers, topic=self._topic)
        return self._producer

    def _search(self, producer: KafkaProducer, numbered: Numbered, refused: dict[int, str]) -> None:
        """Send by halves: who fails alone is what was in the way."""
        failed = self._send(producer, numbered, refused)
        if len(failed) == 1:
            refused |= failed
            return
        left = [(number, entry) for number, entry in numbered if number in failed]
        middle = len(left) // 2
        for half in (left[:middle], left[middle:]):
            if half:
                self._search(producer, half, refused)

    def _send(self, producer: KafkaProducer, numbered: Numbered, refused: dict[int, str]) -> dict[int, str]:
        """Send all, and add to `refused` what is too large for any broker; number -> why, of those that failed
        because of themselves or of others beside them. Raises KafkaError where none of them is to blame.
        """
        sent = {}
        for number, entry in numbered:
            try:
                sent[number] = self._sent(producer, entry)
            except _UNFIT as error:
                refused[number] = str(error)
        failures = _failures(producer, sent)
        blamed = [error for error in failures.values() if isinstance(error, _UNFIT)]
        if failures and not blamed:
            raise next(iter(failures.values()))
        return {number: str(error) for number, error in failures.items()}

    def _sent(self, producer: KafkaProducer, entry: Entry) -> Any:  # noqa: ANN401 - kafka-python has no types
        made = message(entry, self._source)
        return producer.send(
            self._topic, key=made.key, value=made.payload, headers=made.headers, timestamp_ms=made.time_ms
        )


def _failures(producer: KafkaProducer, sent: Mapping[int, Any]) -> dict[int, KafkaError]:
    """Of those that were not acknowledged in time."""
    end = time.monotonic() + DELIVERY_SECONDS
    with suppress(KafkaError):  # each has its own word on it
        producer.flush(timeout=DELIVERY_SECONDS)
    found = {}
    for number, future in sent.items():
        try:
            future.get(timeout=max(end - time.monotonic(), 0.001))
        except KafkaError as error:
            found[number] = error
    return found
