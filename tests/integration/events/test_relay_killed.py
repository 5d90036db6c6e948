"""The relay process, killed at random moments under load: every event arrives, and each is accounted for."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from gateway.clock import SystemClock
from gateway.datafolder import prepare
from gateway.events import ledger
from gateway.events.ledger import Delivery
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from tests.support.events import verdict
from tests.support.kafka import KafkaBroker, messages
from tests.support.wait import until

KILLS = 50
CONSUMERS: dict[Stream, frozenset[str]] = {"verdicts": frozenset({"relay"})}


class RelayProcess:
    """`tipstaff relay` over a data folder."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.data = DataFolder(folder / "data")
        prepare(self.data)
        self._config = folder / "config.yaml"
        self._config.write_text(
            yaml.safe_dump(
                {
                    "data": str(self.data.root),
                    "models": {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:9"]}}}},
                    "events": {"kafka": {"bootstrap": bootstrap, "prefix": prefix, "streams": ["verdicts"]}},
                }
            )
        )
        self._log = folder / "relay.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "relay", str(self._config)], stdout=log, stderr=log
            )

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        os.kill(self._process.pid, number)
        return self._process.wait(30)

    def account(self) -> Delivery:
        found = ledger.read(self.data.log, self.data.counters, CONSUMERS)["verdicts"]
        assert found.balanced
        return found.consumers["relay"]


class Load:
    """Appends verdicts in bursts until it is told to stop. `count`: how many."""

    def __init__(self, log: SqliteEventLog) -> None:
        self._log = log
        self._enough = threading.Event()
        self.count = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join()

    def _run(self) -> None:
        while not self._enough.wait(0.02):
            self._log.append("verdicts", [verdict(self.count + each) for each in range(10)])
            self.count += 10


@pytest.mark.timeout(300)
def test_killed_fifty_times_under_load(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    chance = random.Random(20261127)
    relay = RelayProcess(tmp_path, kafka_broker.bootstrap, "killed.")
    with closing(SqliteEventLog(relay.data.log, "scorer-0", SystemClock())) as log:
        load = Load(log)
        with load.running():
            for _ in range(KILLS):
                began = relay.account().delivered
                relay.start()
                if chance.random() < 0.8:  # else while it starts
                    until(lambda began=began: relay.account().delivered > began, 60, "it delivers")  # type: ignore[misc]
                threading.Event().wait(chance.random() * 0.3)  # a random moment is what is asked for
                relay.end(signal.SIGKILL)
                assert relay.account().lost == 0
        relay.start()
        until(lambda: relay.account().spooled == 0, 60, "all is delivered")
        assert relay.end(signal.SIGTERM) == 0
        assert relay.account() == Delivery(delivered=load.count, spooled=0, lost=0)
    there = messages(kafka_broker.bootstrap, "killed.verdicts")
    sequences = [int(message.headers["ce_sequence"]) for message in there]
    assert set(sequences) == set(range(load.count))
    print(f"{load.count} events, {len(sequences) - load.count} delivered again after {KILLS} kills")


def test_at_its_end_it_delivers_what_is_left(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path, kafka_broker.bootstrap, "left.")
    with closing(SqliteEventLog(relay.data.log, "scorer-0", SystemClock())) as log:
        log.append("verdicts", [verdict(0)])
        relay.start()
        until(lambda: relay.account().delivered == 1, 60, "it delivers")
        log.append("verdicts", [verdict(number) for number in range(1, 5000)])
        assert relay.end(signal.SIGTERM) == 0
    assert relay.account() == Delivery(delivered=5000, spooled=0, lost=0)
