"""The relay process, put together."""

import logging
import signal
import socket
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

from gateway.app.common import exit_code, running_process
from gateway.app.reload import Renewal
from gateway.events.dead_letters import DeadLetters
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.events.relay import Relay
from gateway.keys import kafka_password
from gateway.process import Exit, Parent, run_blocking
from gateway.processes import RELAY
from gateway.settings import ConfigError


def run_relay(config: Path, parent_fd: int | None) -> int:
    """The relay until it is told to stop; its exit code."""
    return exit_code(lambda: _run_relay(config, Parent(parent_fd)))


def _run_relay(config: Path, parent: Parent) -> int:
    with running_process(config, RELAY) as process:
        settings = process.settings
        kafka = settings.events.kafka
        if kafka is None:
            raise ConfigError(["events.kafka: missing: name brokers in events.kafka.bootstrap, like kafka:9092"])
        options = KafkaOptions(kafka, kafka_password(kafka))
        logging.getLogger("kafka").propagate = False  # what it meets is said by the relay, once
        logging.getLogger("kafka").addHandler(logging.NullHandler())
        source = settings.events.source or socket.gethostname()
        with closing(process.event_log()) as events, closing(KafkaSink(options, source)) as sink:
            relay = Relay(
                events,
                sink,
                DeadLetters(process.data.dead_letters),
                streams=kafka.streams,
                trouble=process.data.trouble(RELAY),
                meters=process.meters,
                clock=process.clock,
            )
            renewal = Renewal(config, settings, parent)
            run_blocking(partial(_relay, relay, parent, renewal), parent)
        renewal.finish()
    return Exit.OK


def _relay(relay: Relay, parent: Parent, renewal: Renewal, stop: threading.Event) -> None:
    renewal.stop = stop.set
    signal.signal(signal.SIGHUP, lambda _number, _frame: renewal.asked())
    parent.ready()
    relay.run(stop)
