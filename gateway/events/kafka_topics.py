"""The topics that events go to: there, made, or missing with a sentence on what to do."""

from contextlib import closing

import structlog
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from gateway.events.kafka_clients import open_admin
from gateway.events.kafka_options import KafkaOptions
from gateway.ports import SinkDown

log = structlog.get_logger(__name__)

_LARGEST = "max.message.bytes"


def find_topics(options: KafkaOptions) -> int:
    """Make those that are missing, or say which they are; the bytes that the strictest of them takes at once.

    Raises SinkDown, KafkaError.
    """
    with closing(open_admin(options.client())) as admin:
        if missing := options.topics - set(admin.list_topics()):
            if not options.kafka.create:
                raise SinkDown("topic_missing", _advice(options, missing))
            _create(admin, options, missing)
        return _largest(admin, options)


def _advice(options: KafkaOptions, missing: set[str]) -> str:
    names = ", ".join(sorted(missing))
    return f"Kafka at {options.servers} has no topic {names}: create it, or set events.kafka.create: true"


def _create(admin: KafkaAdminClient, options: KafkaOptions, missing: set[str]) -> None:
    try:
        admin.create_topics(dict.fromkeys(missing, options.new_topic), wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another gateway was quicker
    log.info("topics created", topics=sorted(missing), **options.new_topic)


def _largest(admin: KafkaAdminClient, options: KafkaOptions) -> int:
    """A batch above a topic's bound comes back in pieces, which kafka-python 3.0 loses count of: none is made."""
    wanted = [ConfigResource("TOPIC", topic, {_LARGEST: None}) for topic in sorted(options.topics)]
    try:
        found = admin.describe_configs(wanted, config_filter="all")["topic"]
    except AuthorizationError:  # whoever may write need not be allowed to look
        return options.kafka.request_bytes
    return min(options.kafka.request_bytes, *(int(found[topic][_LARGEST]["value"]) for topic in options.topics))
