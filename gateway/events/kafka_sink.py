"""Kafka as the relay's sink, through kafka-python: its client blocks and waits, so it has a thread to itself."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from gateway.events.cloudevents import message
from gateway.events.kafka_clients import open_producer
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_topics import find_topics
from gateway.ports import Outgoing, SinkDown

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0
DELIVERY_SECONDS = 10.0
"""How long brokers may take for a batch before they are taken to be down."""
_OVERSIZE = (MessageSizeTooLargeError, RecordListTooLargeError)


class KafkaSink:
    """`gateway.ports.Sink`: one topic a stream, keyed by the event's key, so one unit's events keep their order.

    The producer is idempotent and waits for all in-sync replicas. After a failure it is closed and made anew:
    nothing of an old attempt arrives behind a new one. `source`: this gateway's name in every event.
    """

    def __init__(self, options: KafkaOptions, source: str) -> None:
        self._options = options
        self._source = source
        self._producer: KafkaProducer | None = None

    def deliver(self, events: Sequence[Outgoing]) -> dict[int, str]:
        """See the port."""
        try:
            return self._send(self._connected(), events)
        except KafkaError as error:
            self.close()
            raise SinkDown(type(error).__name__, self._sentence(error)) from error
        except (OSError, ValueError) as error:  # a certificate that is none, a key that does not fit it
            self.close()
            raise SinkDown("connection", f"Kafka at {self._options.servers}: {error}") from error

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
            largest = find_topics(self._options)
            self._producer = open_producer(self._options.producer(largest))
            log.info("connected to Kafka", servers=self._options.servers)
        return self._producer

    def _send(self, producer: KafkaProducer, events: Sequence[Outgoing]) -> dict[int, str]:
        refused: dict[int, str] = {}
        sent: list[tuple[int, Any]] = []
        for index, out in enumerate(events):
            try:
                sent.append((index, self._sent(producer, out)))
            except _OVERSIZE as error:
                refused[index] = str(error)
        producer.flush(timeout=DELIVERY_SECONDS)
        for index, future in sent:
            try:
                future.get(timeout=DELIVERY_SECONDS)
            except _OVERSIZE as error:
                refused[index] = str(error)
        return refused

    def _sent(self, producer: KafkaProducer, out: Outgoing) -> Any:  # noqa: ANN401 - kafka-python has no types
        made = message(out.entry, self._source)
        return producer.send(
            self._options.topic(out.stream),
            key=made.key,
            value=made.payload,
            headers=made.headers,
            timestamp_ms=made.time_ms,
        )

    def _sentence(self, error: KafkaError) -> str:
        return f"Kafka at {self._options.servers} takes nothing: {error}"
