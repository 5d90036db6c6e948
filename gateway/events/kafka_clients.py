"""Clients of kafka-python, opened so that a broker that is down costs nothing that stays, and it is said why."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from gateway.ports import BrokersAway

_CONNECTIONS = "kafka.net.connection"
_LOST = "Connection lost: "
_TIMED_OUT = "timed out"
_HUNG_UP = ("socket disconnected", "Invalid frame length")
_WHY_IT_MAY = "it hung up: does it want TLS, a user, or another password?"


def open_admin(options: Mapping[str, Any]) -> KafkaAdminClient:
    """Connected. Raises BrokersAway when no broker can be talked to, KafkaError."""
    return _opened(KafkaAdminClient, options)


def open_producer(options: Mapping[str, Any]) -> KafkaProducer:
    """Connected. Raises BrokersAway when no broker can be talked to, KafkaError."""
    return _opened(KafkaProducer, options)


def open_consumer(options: Mapping[str, Any]) -> KafkaConsumer:
    """Connected. Raises BrokersAway when no broker can be talked to, KafkaError."""
    return _opened(KafkaConsumer, options)


def away(servers: str, error: Exception) -> BrokersAway:
    """Of what kafka-python raised where something was to come: for the port."""
    return BrokersAway(type(error).__name__, f"Kafka at {servers} gives nothing: {error!r}")


def _opened(kind: Any, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - kafka-python has no types
    """One whose making fails has begun a thread by then, and nobody holds it: it is ended here."""
    networks: list[KafkaNetClient] = []

    def network(**given: object) -> KafkaNetClient:
        networks.append(KafkaNetClient(**given))
        return networks[-1]

    opened = False
    try:
        with _words() as words:
            client = kind(**options, kafka_client=network)
        opened = True
    except KafkaTimeoutError as error:
        servers = ", ".join(options["bootstrap_servers"])
        raise BrokersAway("no_answer", f"Kafka at {servers}: {words.why or error}") from error
    finally:
        for each in () if opened else networks:
            each.close()
            each._net.stop()  # noqa: SLF001 - as KafkaAdminClient.close does
    return client


class _Words(logging.Handler):
    """Why connections were lost stands in kafka-python's log, and in no exception of its."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._found: list[str] = []

    @property
    def why(self) -> str:
        """The most telling reason; empty when there is none."""
        if any(mark in found for found in self._found for mark in _HUNG_UP):
            return _WHY_IT_MAY
        return next((found for found in self._found if _TIMED_OUT not in found), "")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the reason."""
        _, lost, why = record.getMessage().partition(_LOST)
        if lost:
            self._found.append(why)


@contextmanager
def _words() -> Iterator[_Words]:
    words, logger = _Words(), logging.getLogger(_CONNECTIONS)
    logger.addHandler(words)
    try:
        yield words
    finally:
        logger.removeHandler(words)
