"""Clients of kafka-python, opened so that a broker that is down costs nothing that stays."""

from collections.abc import Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.net.compat import KafkaNetClient


def open_admin(options: Mapping[str, Any]) -> KafkaAdminClient:
    """Connected. Raises KafkaError."""
    return _opened(KafkaAdminClient, options)


def open_producer(options: Mapping[str, Any]) -> KafkaProducer:
    """Connected. Raises KafkaError."""
    return _opened(KafkaProducer, options)


def _opened(kind: Any, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - kafka-python has no types
    """One whose making fails has begun a thread by then, and nobody holds it: it is ended here."""
    networks: list[KafkaNetClient] = []

    def network(**given: object) -> KafkaNetClient:
        networks.append(KafkaNetClient(**given))
        return networks[-1]

    opened = False
    try:
        client = kind(**options, kafka_client=network)
        opened = True
    finally:
        for each in () if opened else networks:
            each.close()
            each._net.stop()  # noqa: SLF001 - as KafkaAdminClient.close does
    return client
