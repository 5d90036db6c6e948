"""kill -9 in the middle of recording: nothing produced is lost, and the account says what was on its way."""

import subprocess
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.events import ledger
from gateway.events.counted import CRASH, Ledger
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.proxy.recorder import Recorder
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.integration.proxy.recording import OPEN
from tests.support.wait import until

KILLS = 3


def record_and_kill(folder: Path, more: int) -> None:
    """Run the recording process until it has started `more` exchanges in this run, then kill -9."""
    counters = DataFolder(folder).counter_file("proxy-0")
    command = [sys.executable, "-m", "tests.integration.proxy.recording", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"recording\n"
        file = CounterFile.open(counters)
        started = Ledger(Meters(file), "exchanges").started
        before = started.value
        until(lambda: started.value >= before + more, 30, f"{more} exchanges started")
        process.kill()
    file.close()


def test_the_account_balances_exactly_after_every_kill(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    crashed = 0
    for run in range(KILLS):
        record_and_kill(tmp_path, 500 + 300 * run)
        log = SqliteEventLog(data.log, "proxy-0", SystemClock())
        file = CounterFile.open(data.counter_file("proxy-0"))
        recorder = Recorder(log, Meters(file), "batched", 1 << 20, SystemClock())
        account = recorder.ledger
        assert account.on_its_way >= OPEN
        needed = recorder.reconcile()
        assert needed.crash >= OPEN
        assert needed.started == needed.log_lost == 0
        crashed += needed.crash
        assert account.on_its_way == 0
        assert account.dropped[CRASH].value == crashed
        assert account.produced.value == log.appended("exchanges") == held(log)
        said = ledger.read(data.log, data.counters, {})["exchanges"]
        assert said.balanced
        assert said.in_flight == 0
        log.close()
        file.close()


def held(log: SqliteEventLog) -> int:
    """How many exchanges are really read back, each once and in order."""
    ids: list[str] = []
    positions: dict[str, int] = {}
    while True:
        batch = log.read("exchanges", positions, 1000)
        if not batch.entries:
            break
        assert [entry.sequence for entry in batch.entries] == [*range(len(ids), len(ids) + len(batch.entries))]
        ids += [entry.event.id for entry in batch.entries]
        positions = dict(batch.positions)
    return len(ids)
