"""The topic that events go to: there, made, or missing with a sentence on what to do."""

from contextlib import closing

import structlog
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from gateway.events.kafka_clients import open_admin
from gateway.events.kafka_options import KafkaOptions
from gateway.events.schema import Topic
from gateway.ports import BrokersAway

log = structlog.get_logger(__name__)

_LARGEST = "max.message.bytes"


def find_topic(options: KafkaOptions, stream: Topic) -> int:
    """Make its topic where it is missing, or say that it is; the bytes that it takes at once.

    Raises BrokersAway, KafkaError.
    """
    topic = options.topic(stream)
    with closing(open_admin(options.client())) as admin:
        if topic not in admin.list_topics():
            if not options.kafka.create:
                advice = "create it, or set events.kafka.create: true"
                raise BrokersAway("topic_missing", f"Kafka at {options.servers} has no topic {topic}: {advice}")
            _create(admin, options, stream)
        return _largest(admin, options, topic)


def _create(admin: KafkaAdminClient, options: KafkaOptions, stream: Topic) -> None:
    topic = options.topic(stream)
    try:
        admin.create_topics({topic: options.new_topic(stream)}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another gateway was quicker
    log.info("topic created", topic=topic, **options.new_topic(stream))


def _largest(admin: KafkaAdminClient, options: KafkaOptions, topic: str) -> int:
    """Who keeps to it need not send the same events again, in ever smaller parts."""
    try:
        found = admin.describe_configs([ConfigResource("TOPIC", topic, {_LARGEST: None})], config_filter="all")
    except AuthorizationError:  # whoever may write need not be allowed to look
        return options.kafka.request_bytes
    return min(options.kafka.request_bytes, int(found["topic"][topic][_LARGEST]["value"]))
