"""Two gateways, Kafka between them: from an answer's end at the one to where the other one's controller has it."""

import asyncio
import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from gateway.clock import SystemClock
from gateway.events.gather import Gather, Logs
from gateway.events.kafka_options import KafkaOptions
from gateway.events.kafka_sink import KafkaSink
from gateway.events.kafka_source import KafkaSource
from gateway.events.schema import VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.ports import Entry
from gateway.settings import Kafka
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.benchmarks.relay import broker
from tests.benchmarks.servers import static_upstream
from tests.benchmarks.table import Row
from tests.support.events import verdict
from tests.support.fleet import Fleet
from tests.support.people import question
from tests.support.scorers import Scorers

EVENTS = 60_000
RATES = ((50.0, 30.0), (1000.0, 20.0))
APART = ((50.0, 30.0), (500.0, 20.0))
"""A second, and for how many seconds; a tenth of them is to warm up."""
_CONNECTIONS = 32
_LENGTH = re.compile(rb"content-length: (\d+)")
_EXCHANGE = re.compile(rb"x-tipstaff-exchange: (\w+)")
_TARGET = 2.0
_POLL_SECONDS = 0.002


def measure(folder: Path) -> list[Row]:
    """At a rate that two cores hold with everything on them, broker included."""
    with broker(folder) as kafka:
        gathered = list(_gathered(folder / "gathered", kafka.bootstrap))
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # here everything shares the machine
        return [*gathered, *_delays(folder, kafka.bootstrap)]


def _gathered(folder: Path, bootstrap: str) -> Iterator[Row]:
    """On one core; the broker runs on the other, as it would on another machine."""
    options = KafkaOptions(Kafka.model_validate({"bootstrap": bootstrap, "prefix": "bulk."}))
    now_us = SystemClock().now_us()
    entries = [Entry("scorer-0", each, now_us + each, verdict(each)) for each in range(EVENTS)]
    with closing(KafkaSink(options, "verdicts", "other")) as sink:
        for first in range(0, EVENTS, 1000):
            sink.deliver(entries[first : first + 1000])
    for topic in ("feedback", "progress"):
        with closing(KafkaSink(options, topic, "other")) as sink:
            sink.deliver([])  # it is made
    meters = Meters(CounterFile.open(folder.with_suffix(".bin")))
    logs = Logs(folder, lambda name: SqliteEventLog(folder, name, SystemClock()), meters)
    with closing(logs), closing(KafkaSource(options)) as source:
        offsets, trouble = folder / "offsets.json", folder / "trouble"
        gather = Gather(
            source, logs, ["other"], offsets=offsets, trouble=trouble, meters=meters, clock=SystemClock()
        )
        while not gather.turn():
            pass
        log = logs.of("scorer-0@other")
        first, began, spent = log.appended("verdicts"), time.perf_counter(), time.process_time()
        while log.appended("verdicts") < EVENTS:
            gather.turn()
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
    yield Row("events gathered", (EVENTS - first) / seconds, "per s")
    yield Row("CPU per event", spent / (EVENTS - first) * 1e6, "µs")


def _delays(folder: Path, bootstrap: str) -> list[Row]:
    with static_upstream(folder) as upstream:
        arms: dict[str, Any] = {"stable": {"endpoints": [f"http://127.0.0.1:{upstream}"]}}
        (folder / "fleet").mkdir()
        fleet = Fleet(folder / "fleet", arms, {"bootstrap": bootstrap})
        with fleet.lead, fleet.other:
            rows = [row for rate, seconds in RATES for row in _delay(fleet, rate, seconds)]
        (folder / "scored").mkdir()
        kafka = {"bootstrap": bootstrap, "prefix": "scored."}
        fleet = Fleet(folder / "scored", arms, kafka, content="include")
        with Scorers(folder / "scorers", kafka) as scorers, fleet.lead, fleet.other:
            scorers.start(1)
            scorers.ready()
            apart = [row for rate, seconds in APART for row in _delay(fleet, rate, seconds, " by a scorer apart")]
        return [*rows, *apart]


def _delay(fleet: Fleet, rate: float, seconds: float, how: str = "") -> list[Row]:
    """Read by rules alone: the encoder reads ten to a hundred a second on a core."""
    watch = Watch(DataFolder(fleet.lead.data))
    with watch.running():
        ended = uvloop.run(_load(fleet.other.port, rate, round(rate * seconds)))
        watch.until(set(ended))
    times = sorted(ended.values())
    counted = list(ended.items())[len(ended) // 10 :]
    seen = [watch.seen[each] - at for each, at in counted]
    known = [watch.known(each) - at for each, at in counted]
    return [
        Row(f"answers, {rate:g} asked for{how}", (len(times) - 1) / (times[-1] - times[0]), "per s"),
        Row("end of an answer to its verdict at the other gateway, p50", statistics.median(seen), "s"),
        Row("the same, p99", _p99(seen), "s"),
        Row("end of an answer until it may be evidence there, p50", statistics.median(known), "s"),
        Row("the same, p99", _p99(known), "s", at_most=_TARGET),
    ]


async def _load(port: int, rate: float, count: int) -> dict[str, float]:
    """Exchange -> when its answer ended, by the monotonic clock; asked for when their time comes."""
    ended: dict[str, float] = {}
    began = time.monotonic()

    async def ask_some(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, count, _CONNECTIONS):
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
            writer.write(_request(number))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(_LENGTH.findall(head)[0]))
            ended[_EXCHANGE.findall(head)[0].decode()] = time.monotonic()
        writer.close()

    await asyncio.gather(*map(ask_some, range(_CONNECTIONS)))
    return ended


def _request(number: int) -> bytes:
    body = msgspec.json.encode(question("assistant"))
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"x-user-id: u%d\r\ncontent-length: %d\r\n\r\n%b" % (number, len(body), body)
    )


class Watch:
    """Reads a log as its controller does, many times a second."""

    def __init__(self, data: DataFolder) -> None:
        self.seen: dict[str, float] = {}
        self._data = data
        self._time_us: dict[str, int] = {}
        self._horizons: list[tuple[int, float]] = []
        self._enough = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join()

    def until(self, wanted: set[str]) -> None:
        """All of them have been seen, and are behind the horizon."""
        end = time.monotonic() + 60
        while not (wanted <= self.seen.keys() and all(self._passed(each) for each in wanted)):
            if time.monotonic() > end:
                raise TimeoutError("verdicts have not come")
            time.sleep(0.05)

    def known(self, exchange: str) -> float:
        """When whatever is earlier than it had come too."""
        at = self._time_us[exchange]
        return max(self.seen[exchange], next(when for horizon, when in self._horizons if horizon >= at))

    def _passed(self, exchange: str) -> bool:
        return bool(self._horizons) and self._horizons[-1][0] >= self._time_us[exchange]

    def _run(self) -> None:
        positions: dict[str, int] = {}
        forwarded: dict[str, int] = {}
        with closing(SqliteEventLog(self._data.log, None, SystemClock())) as log:
            while not self._enough.wait(_POLL_SECONDS):
                batch = log.read("verdicts", positions, 1000)
                now, positions = time.monotonic(), batch.positions
                for entry in batch.entries:
                    if isinstance(entry.event, VerdictV1):
                        self.seen.setdefault(entry.event.exchange_id, now)
                        self._time_us[entry.event.exchange_id] = entry.event.time_us
                forwarded = dict.fromkeys(positions, 0) | forwarded | batch.forwarded
                horizon = min(forwarded.values(), default=0)
                if horizon and (not self._horizons or horizon > self._horizons[-1][0]):
                    self._horizons.append((horizon, now))


def _p99(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]
