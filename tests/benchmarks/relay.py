"""What the relay takes to Kafka a second, on one core, and what clients notice of brokers that are away."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import yaml

from gateway.clock import SystemClock
from gateway.datafolder import prepare
from gateway.events.positions import PublishedPositions
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from tests.benchmarks.procs import PROXY_CORE, cpu_seconds
from tests.benchmarks.servers import static_upstream
from tests.benchmarks.table import Row
from tests.components.catalogue import component
from tests.support.events import verdict
from tests.support.kafka import KafkaBroker
from tests.support.people import question
from tests.support.stack import Stack
from tests.support.wait import until

EVENTS, WARM = 60_000, 10_000
TURNS, REQUESTS = 6, 300
_TARGET = 5000.0
_PRODUCER = "scorer-0"


def measure(folder: Path) -> list[Row]:
    """The broker runs on the other core, as it would on another machine."""
    with broker(folder) as kafka:
        rows = [row for codec in ("none", "gzip") for row in _relayed(folder / codec, kafka.bootstrap, codec)]
        return [*rows, *_noticed(folder / "gateway", kafka)]


@contextmanager
def broker(folder: Path) -> Iterator[KafkaBroker]:
    """A real one, for the time of a benchmark."""
    jars = component("kafka").find()
    if jars is None:
        raise RuntimeError("no Kafka here: python3 -m tests.components kafka kcat says why")
    broker = KafkaBroker(jars, folder / "broker")
    broker.start()
    try:
        broker.wait_ready()
        yield broker
    finally:
        broker.kill()


def _relayed(folder: Path, bootstrap: str, codec: str) -> Iterator[Row]:
    data = DataFolder(folder / "data")
    prepare(data)
    with closing(SqliteEventLog(data.log, _PRODUCER, SystemClock())) as log:
        for first in range(0, EVENTS, 1000):
            log.append("verdicts", [verdict(first + each) for each in range(1000)])
    kafka = {"bootstrap": bootstrap, "prefix": f"{codec}.", "streams": ["verdicts"], "compression": codec}
    with _relay(folder, data, kafka) as pid:
        until(lambda: _delivered(data) >= WARM, 60, "events flow", 0.01)
        first, began, spent = _delivered(data), time.perf_counter(), cpu_seconds(pid)
        until(lambda: _delivered(data) == EVENTS, 120, "all events are delivered", 0.01)
        seconds, spent = time.perf_counter() - began, cpu_seconds(pid) - spent
    count = EVENTS - first
    yield Row(f"events relayed, compression {codec}", count / seconds, "per s", at_least=_TARGET)
    yield Row(f"CPU per event, compression {codec}", spent / count * 1e6, "µs")


@contextmanager
def _relay(folder: Path, data: DataFolder, kafka: Mapping[str, object]) -> Iterator[int]:
    config = folder / "config.yaml"
    models = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:9"]}}}}
    config.write_text(yaml.safe_dump({"data": str(data.root), "models": models, "events": {"kafka": dict(kafka)}}))
    command = ["taskset", "-c", str(PROXY_CORE), sys.executable, "-m", "gateway.cli", "relay", str(config)]
    with (folder / "relay.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _delivered(data: DataFolder) -> int:
    with closing(PublishedPositions(data.log)) as positions:
        return positions.position("relay", "verdicts", _PRODUCER)


def _noticed(folder: Path, broker: KafkaBroker) -> list[Row]:
    """One client, in turns with brokers there and away."""
    folder.mkdir()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # here everything shares the machine, as it does for a user
    there: list[float] = []
    away: list[float] = []
    with static_upstream(folder) as upstream:
        arms = {"stable": {"endpoints": [f"http://127.0.0.1:{upstream}"]}}
        events = {"kafka": {"bootstrap": broker.bootstrap}}
        with Stack(folder, {"assistant": {"arms": arms}}, events=events) as stack:
            _ask(stack)
            for _ in range(TURNS):
                there += _ask(stack)
                broker.pause()
                away += _ask(stack)
                broker.resume()
    return [
        Row("latency of a request with brokers there, p50", statistics.median(there) * 1e3, "ms"),
        Row("the same with brokers away, ratio", statistics.median(away) / statistics.median(there), ""),
        Row("p99 with brokers away, ratio", _p99(away) / _p99(there), ""),
    ]


def _ask(stack: Stack) -> list[float]:
    found = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        stack.client.post("/v1/chat/completions", json=question("assistant")).raise_for_status()
        found.append(time.perf_counter() - began)
    return found


def _p99(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]
