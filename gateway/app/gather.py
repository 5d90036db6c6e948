"""The process that gathers other gateways' events, put together."""

from contextlib import closing
from functools import partial
from pathlib import Path

from gateway.app.common import exit_code, running_process
from gateway.app.kafka import UNREAD, options_of
from gateway.app.reload import Renewal, run_renewed
from gateway.events.gather import Gather, Logs
from gateway.events.kafka_source import KafkaSource
from gateway.forgetting import ForgettingFolder
from gateway.process import Exit, Parent
from gateway.processes import GATHER
from gateway.scoring.forgetting import VerdictForgetting
from gateway.settings import ConfigError


def run_gather(config: Path, parent_fd: int | None) -> int:
    """Gather until it is told to stop; its exit code."""
    return exit_code(lambda: _run_gather(config, Parent(parent_fd)))


def _run_gather(config: Path, parent: Parent) -> int:
    with running_process(config, GATHER) as process:
        settings, data = process.settings, process.data
        kafka = settings.events.kafka
        if kafka is None:
            raise ConfigError(["events.kafka: missing: name brokers in events.kafka.bootstrap, like kafka:9092"])
        with (
            closing(Logs(data.log, process.event_log, process.meters)) as logs,
            closing(KafkaSource(options_of(kafka))) as source,
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
            run_renewed(partial(gather.run, duty=duty), parent, renewal)
        renewal.finish()
    return Exit.OK
