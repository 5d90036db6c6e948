"""kill -9 of the process that takes verdicts in: nothing counts twice, nothing is missing."""

import random
import subprocess
import sys
import threading
from pathlib import Path

from gateway.clock import SystemClock
from gateway.controller.exchange_query import Cursor, ExchangeFilter
from gateway.controller.index import ExchangeIndex
from gateway.events import ledger
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import Meters
from tests.unit.controller.support import upheld, verdict_event

_MANY = 4000
_READER = """
import sys
from pathlib import Path
from gateway.clock import SystemClock
from gateway.controller import verdicts
from gateway.controller.index import ExchangeIndex
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
verdicts._BATCH = 25
data, clock = DataFolder(Path(sys.argv[1])), SystemClock()
index = ExchangeIndex.open(data.index, clock)
file = CounterFile.open(data.counter_file("controller"))
reader = verdicts.VerdictReader(SqliteEventLog(data.log, "controller", clock), index, Meters(file))
print("ready", flush=True)
while reader.step():
    pass
print("done", flush=True)
"""


def test_every_verdict_counts_once_however_often_the_reader_is_killed(tmp_path: Path) -> None:
    data, clock = DataFolder(tmp_path), SystemClock()
    scorer = SqliteEventLog(data.log, "scorer-0", clock)
    for start in range(0, _MANY, 500):
        events = [
            verdict_event(number, upheld("harm") if number % 10 == 0 else None, unit=f"u{number % 97}")
            for number in range(start, start + 500)
        ]
        scorer.append("verdicts", events)
    kills = 0
    chance = random.Random(3)
    while not _runs_to_its_end(tmp_path, chance.uniform(0.0, 0.05) if kills < 8 else 60.0):
        kills += 1
    assert kills >= 3, "it must have been killed for this to show anything"
    index = ExchangeIndex.open(data.index, clock)
    (arm,) = index.rates("assistant", 0).arms
    assert (arm.exchanges, arm.violating, arm.units) == (_MANY, _MANY // 10, 97)
    assert len(_all_ids(index)) == _MANY
    account = ledger.read(data.log, data.counters, {"verdicts": frozenset({"controller"})})["verdicts"]
    assert account.settled
    assert account.consumers["controller"].delivered == _MANY
    index.close()
    scorer.close()


def _runs_to_its_end(data: Path, seconds: float) -> bool:
    """Start a reader, kill it after `seconds` of work; True when it had finished before that."""
    with subprocess.Popen([sys.executable, "-c", _READER, str(data)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        finished = process.stdout.readline() == "done\n"
        killer.cancel()
        process.kill()
    return finished


def _all_ids(index: ExchangeIndex) -> set[str]:
    ids: set[str] = set()
    after = None
    while rows := index.find(ExchangeFilter(), 500, after):
        ids |= {row.id for row in rows}
        after = Cursor(rows[-1].time_us, rows[-1].id)
    return ids


def test_a_killed_process_is_shown_as_down_and_its_counts_stay(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
meters = Meters(CounterFile.open(Path(sys.argv[1])))
meters.counter(metrics.SCORED, "assistant", "stable").inc(2)
meters.gauge(metrics.IN_FLIGHT, "assistant", "stable").set(5)
print("ready", flush=True)
sys.stdin.read()
"""
    exposition = Exposition(tmp_path)
    command = [sys.executable, "-c", script, str(tmp_path / "proxy-0.bin")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        before = exposition.totals()
        process.kill()
    after = exposition.totals()
    assert before[metrics.IN_FLIGHT.name] == {("assistant", "stable"): [5.0]}
    assert after[metrics.IN_FLIGHT.name] == {}
    for totals, up in ((before, 1.0), (after, 0.0)):
        assert totals[metrics.SCORED.name] == {("assistant", "stable"): [2.0]}
        assert totals[metrics.PROCESS_UP.name] == {("proxy-0",): [up]}
    again = CounterFile.open(tmp_path / "proxy-0.bin")
    Meters(again).counter(metrics.SCORED, "assistant", "stable").inc()
    assert exposition.totals()[metrics.SCORED.name] == {("assistant", "stable"): [3.0]}
    again.close()
