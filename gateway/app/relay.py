"""The relay process, put together."""

from contextlib import ExitStack, closing
from pathlib import Path

from gateway.app.common import exit_code, own_name, running_process
from gateway.app.kafka import UNREAD, options_of
from gateway.app.reload import Renewal, run_renewed
from gateway.events.dead_letters import DeadLetters
from gateway.events.gather import GATHERED
from gateway.events.gathering import gathered
from gateway.events.kafka_sink import KafkaSink
from gateway.events.relay import Herald, Relay, StreamRelay
from gateway.process import Exit, Parent
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
        options = options_of(kafka)
        source = own_name(settings.events)
        with closing(process.event_log(reads=_own)) as events, ExitStack() as stack:
            letters = DeadLetters(process.data.dead_letters)
            streams = []
            for stream in kafka.streams:
                sink = stack.enter_context(closing(KafkaSink(options, stream, source)))
                streams.append(StreamRelay(stream, events, sink, letters, process.meters, process.clock))
            trouble = process.data.trouble(RELAY)
            herald = None
            if settings.control is not None or settings.state is not None:  # somebody else may decide on them
                sink = stack.enter_context(closing(KafkaSink(options, "progress", source)))
                herald = Herald([each for each in streams if each.stream in GATHERED], sink, process.clock)
            relay = Relay(
                events, streams, herald=herald, trouble=trouble, meters=process.meters, clock=process.clock
            )
            renewal = Renewal(config, settings, parent, unread=UNREAD)
            run_renewed(relay.run, parent, renewal)
            if not renewal.due:
                relay.drain()
        renewal.finish()
    return Exit.OK


def _own(producer: str) -> bool:
    """Others' events are in Kafka already."""
    return not gathered(producer)
