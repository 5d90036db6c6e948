"""What the two processes that talk to Kafka have in common."""

import logging

from gateway.events.kafka_options import KafkaOptions
from gateway.keys import kafka_password
from gateway.settings import Kafka, Settings

UNREAD = frozenset(Settings.model_fields) - {"events", "data"}
"""Keys of the configuration that they make nothing of: they are left alone where only they change."""


def options_of(kafka: Kafka) -> KafkaOptions:
    """With the password; what kafka-python meets is said by whoever uses it, once. Raises ConfigError."""
    library = logging.getLogger("kafka")
    library.propagate = False
    library.addHandler(logging.NullHandler())
    return KafkaOptions(kafka, kafka_password(kafka))
