"""The configuration's `events.kafka`, in kafka-python's own words."""

from typing import Any

from gateway.events.schema import Topic
from gateway.settings import Kafka

_CONNECT_MS = 5_000
_REQUEST_MS = 5_000
_DELIVERY_MS = 9_000
"""Shorter than `gateway.events.kafka_sink.DELIVERY_SECONDS`: the producer's own reason is the better one."""
_LINGER_MS = 5
_HOUR_MS = "3600000"
_METADATA_MS = 10_000
"""A partition that is new is known to who reads before it is to who writes: they look every five minutes."""
_MOST_AT_ONCE = 2000
_BATCH_BYTES = 256 << 10
_SESSION_MS = 10_000
"""After so long without a sign of life the others have what a scorer had."""


class KafkaOptions:
    """Where to, and how. `password`: of `kafka.sasl`."""

    def __init__(self, kafka: Kafka, password: str = "") -> None:
        self.kafka = kafka
        self._password = password

    @property
    def servers(self) -> str:
        """For sentences."""
        return ", ".join(self.kafka.bootstrap)

    def new_topic(self, stream: Topic) -> dict[str, Any]:
        """The shape of a topic that is made; -1: the brokers' own default. Texts and what is soon stale go soon."""
        found: dict[str, Any] = {
            "num_partitions": self.kafka.partitions,
            "replication_factor": self.kafka.replication or -1,
        }
        if stream in ("progress", "scores", "exchanges"):
            found["configs"] = {"retention.ms": _HOUR_MS}
        if stream == "exchanges":
            found["configs"]["max.message.bytes"] = str(self.kafka.request_bytes)
        if stream == "progress":
            found["num_partitions"] = 1
        return found

    def topic(self, stream: Topic) -> str:
        """Where a stream goes; progress: how far the others have."""
        return self.kafka.prefix + stream

    def client(self) -> dict[str, Any]:
        """Of any client."""
        return {
            "bootstrap_servers": list(self.kafka.bootstrap),
            "client_id": "tipstaff",
            "bootstrap_timeout_ms": _CONNECT_MS,
            "request_timeout_ms": _REQUEST_MS,
            **self._security(),
        }

    def producer(self, largest: int, *, searching: bool = False) -> dict[str, Any]:
        """Of the one who sends. `largest`: the bytes that its topic takes at once.

        `searching`: among events some of which the topic does not take. kafka-python's idempotent producer is of no
        use after the first of them.
        """
        kafka = self.kafka
        return {
            **self.client(),
            "acks": "all",
            "enable_idempotence": not searching,
            "max_in_flight_requests_per_connection": 1 if searching else 5,
            "allow_auto_create_topics": False,
            "max_block_ms": _CONNECT_MS,
            "delivery_timeout_ms": _DELIVERY_MS,
            "linger_ms": _LINGER_MS,
            "batch_size": min(_BATCH_BYTES, largest // 2),
            "max_request_size": largest,
            "compression_type": None if kafka.compression == "none" else kafka.compression,
            "metrics_enabled": False,
        }

    def consumer(self) -> dict[str, Any]:
        """Of the one who reads: from where it says, and on its own."""
        return {
            **self.client(),
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
            "metadata_max_age_ms": _METADATA_MS,
            "max_poll_records": _MOST_AT_ONCE,
            "fetch_max_wait_ms": 100,
            "metrics_enabled": False,
        }

    def group(self, at_once: int) -> dict[str, Any]:
        """Of one of the scorers that deal exchanges out among themselves, and read so many at once."""
        return {
            **self.consumer(),
            "group_id": f"{self.kafka.prefix}scorers",
            "max_poll_records": at_once,
            "session_timeout_ms": _SESSION_MS,
            "heartbeat_interval_ms": _SESSION_MS // 5,
        }

    def _security(self) -> dict[str, Any]:
        tls, sasl = self.kafka.tls, self.kafka.sasl
        found: dict[str, Any] = {
            "security_protocol": ("SASL_" if sasl else "") + ("SSL" if tls is not None else "PLAINTEXT")
        }
        if tls is not None:
            files = {"ssl_cafile": tls.ca, "ssl_certfile": tls.cert, "ssl_keyfile": tls.key}
            found |= {name: str(path) for name, path in files.items() if path is not None}
        if sasl is not None:
            found |= {
                "sasl_mechanism": sasl.mechanism,
                "sasl_plain_username": sasl.username,
                "sasl_plain_password": self._password,
            }
        return found
