"""The process that gathers other gateways' events, put together."""

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from gateway.app.common import exit_code, running_process
from gateway.app.reload import Renewal
from gateway.events.gather import Gather, Logs
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_source import KafkaSource
from gateway.forgetting import ForgettingFolder
from gateway.keys import kafka_password
from gateway.process import Exit, Parent, run_blocking
from gateway.processes import GATHER
from gateway.scoring.forgetting import VerdictForgetting
from gateway.settings import ConfigError, Settings

UNREAD = frozenset(Settings.model_fields) - {"events", "data"}
"""Keys of the configuration that it makes nothing of: it is left alone where only they change."""


def run_gather(config: Path, parent_fd: int | None) -> int:
    """Gather until it is told to stop; its exit code."""
    return exit_code(lambda: _run_gather(config, Parent(parent_fd)))


def _run_gather(config: Path, parent: Parent) -> int:
    with running_process(config, GATHER) as process:
        settings, data = process.settings, process.data
        kafka = settings.events.kafka
        if kafka is None or not settings.events.gather:
            raise ConfigError(["events.gather: missing: name the gateways whose events are to be gathered"])
        logging.getLogger("kafka").propagate = False  # what it meets is said here, once
        logging.getLogger("kafka").addHandler(logging.NullHandler())
        with (
            closing(Logs(data.log, process.event_log, process.meters)) as logs,
            closing(KafkaSource(KafkaOptions(kafka, kafka_password(kafka)))) as source,
        ):
            gather = Gather(
                source,
                logs,
                settings.events.gather,
                offsets=data.gather_offsets,
                trouble=data.trouble(GATHER),
                meters=process.meters,
                clock=process.clock,
                own=settings.events.source,
            )
            duty = VerdictForgetting(ForgettingFolder(data), GATHER, logs.all).step
            renewal = Renewal(config, settings, parent, unread=UNREAD)
            run_blocking(partial(_gather, gather, duty, parent, renewal), parent)
        renewal.finish()
    return Exit.OK


def _gather(
    gather: Gather, duty: Callable[[], object], parent: Parent, renewal: Renewal, stop: threading.Event
) -> None:
    renewal.stop = stop.set
    signal.signal(signal.SIGHUP, lambda _number, _frame: renewal.asked())
    parent.ready()
    gather.run(stop, duty)
