"""A scorer for all gateways that share a Kafka, put together."""

from contextlib import ExitStack, closing
from pathlib import Path

import structlog

from gateway import __version__
from gateway.app.common import exit_code, own_name, running_process
from gateway.app.kafka import options_of
from gateway.app.reload import UNREAD_BY_SCORER, Renewal, run_renewed
from gateway.app.scorer import evaluator_of
from gateway.events.kafka_group import KafkaGroup
from gateway.events.kafka_sink import KafkaSink
from gateway.process import Exit, Parent
from gateway.processes import SCORER
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.worker import Worker
from gateway.settings import ConfigError

log = structlog.get_logger(__name__)


def run_worker(config: Path) -> int:
    """A scorer for all gateways that share its Kafka, until it is told to stop; its exit code."""
    return exit_code(lambda: _run_worker(config, Parent(None)))


def _run_worker(config: Path, parent: Parent) -> int:
    with running_process(config, SCORER) as process, ExitStack() as stack:
        settings = process.settings
        kafka = settings.events.kafka
        if kafka is None:
            raise ConfigError(["events.kafka: missing: name brokers in events.kafka.bootstrap, like kafka:9092"])
        options = options_of(kafka)
        renewal = Renewal(config, settings, parent, unread=UNREAD_BY_SCORER - {"events"})
        group = stack.enter_context(closing(KafkaGroup(options, Evaluator.at_once)))
        sink = stack.enter_context(closing(KafkaSink(options, "scores", own_name(settings.events))))
        evaluator = evaluator_of(process, keeps=False)
        log.info("reading for all gateways", version=__version__, constitution=evaluator.constitution)
        worker = Worker(group, sink, evaluator, process.clock)
        run_renewed(worker.run, parent, renewal)
        renewal.finish()
    return Exit.OK
