"""What every process has: settings, its files and nobody else's, exit codes that mean something."""

import asyncio
import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.clock import SystemClock
from gateway.configfile import load
from gateway.datafolder import prepare, process_lock
from gateway.events.gathering import gathered
from gateway.events.policy import policies
from gateway.events.schema import STREAMS, Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.events.tip import ProducerTaken
from gateway.layout import DataFolder
from gateway.ports import LogFull
from gateway.process import Again, Exit, PortTaken, begin_anew
from gateway.processes import CONTROLLER, RELAY, SCORER
from gateway.processlock import DataFolderError
from gateway.settings import ConfigError, Events, Settings
from gateway.telemetry import logging
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import DROPPED, Meters

CONSUMERS: dict[Stream, frozenset[str]] = {
    "exchanges": frozenset({SCORER}),
    "verdicts": frozenset({CONTROLLER}),
    "feedback": frozenset({CONTROLLER}),
}
FLUSH_SECONDS = 5.0
RELAY_SECONDS = 45.0
"""How long the relay may go on at the end: with what it has in hand, and with what is left then."""
SCORING_SECONDS = 30.0
"""How long the classifiers may take for a group of exchanges before the scorer is taken to hang."""


def own_name(events: Events) -> str:
    """What this gateway is called among others."""
    return events.source or socket.gethostname()


class Process:
    """What every process has: settings, its data folder, a clock, its own numbers."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.data = DataFolder(settings.data)
        self.clock = SystemClock()
        self.meters = Meters(CounterFile.open(self.data.counter_file(name)))

    def event_log(self, producer: str = "", reads: Callable[[str], bool] = lambda _: True) -> SqliteEventLog:
        """The end of the event log that is this process's, or another producer's. `reads`: see SqliteEventLog."""
        return SqliteEventLog(
            self.data.log,
            producer or self.name,
            self.clock,
            consumers=CONSUMERS,
            patient={} if gathered(producer) else _patient(self.settings),
            policy=policies(self.settings.retention.numbers_days),
            on_loss=self._lost,
            reads=reads,
        )

    def _lost(self, stream: str, reason: str, count: int) -> None:
        self.meters.counter(DROPPED, stream, reason).inc(count)


def consumers(settings: Settings) -> dict[Stream, frozenset[str]]:
    """Who is meant to read each stream."""
    patient = _patient(settings)
    return {stream: CONSUMERS.get(stream, frozenset()) | patient.get(stream, frozenset()) for stream in STREAMS}


def _patient(settings: Settings) -> dict[Stream, frozenset[str]]:
    kafka = settings.events.kafka
    return {} if kafka is None else {stream: frozenset({RELAY}) for stream in kafka.streams}


@contextmanager
def running_process(config: Path, name: str) -> Iterator[Process]:
    """A process alone with its files: logging set up, the data folder checked, its own lock held."""
    logging.configure(name, os.environ.get(logging.LEVEL_VARIABLE, "info"))
    settings = load(config)
    folder = DataFolder(settings.data)
    prepare(folder)
    with ExitStack() as stack:
        stack.callback(process_lock(folder, name).close)
        process = Process(settings, name)
        stack.callback(process.meters.file.close)
        yield process


def exit_code(run: Callable[[], int]) -> int:
    """Run, and turn what stops a start into its line and exit code. Again: run once more, in this process."""
    try:
        return run()
    except Again:
        return begin_anew()
    except ConfigError as error:
        problems, code = error.problems, Exit.CONFIG
    except PortTaken as error:
        problems, code = [str(error)], Exit.PORT_TAKEN
    except DataFolderError as error:
        problems, code = [str(error)], Exit.DATA_FOLDER
    except (OSError, sqlite3.Error, LogFull, ProducerTaken) as error:
        problems, code = [f"cannot start: {error}"], Exit.FAILED
    for problem in problems:
        sys.stderr.write(f"tipstaff: {problem}\n")
    return code


def part_died(name: str, error: BaseException, stop: asyncio.Event) -> None:
    """A part that should run for ever has ended: the process ends in order, and is started again."""
    sys.stderr.write(f"tipstaff: {name} died ({error!r}), ending\n")
    stop.set()


def address_of(listener: socket.socket) -> str:
    """The `host:port` that a socket listens on."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
