"""A writer that is killed at any moment loses nothing that it was told is durable, and doubles nothing."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.clock import SystemClock
from gateway.events.sqlite import SqliteEventLog
from tests.integration.events.writer_process import ROLLING
from tests.support.events import verdict

if TYPE_CHECKING:
    from gateway.ports import Entry

_ROUNDS = 40


class Writers:
    """One forking process and its words."""

    def __init__(self) -> None:
        self._pid = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.events.writer_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run_and_kill(self, root: Path, alive_seconds: float) -> int:
        """How many events the writer was told are durable before it was killed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        pid, durable = 0, -1
        while (line := self._line()) != "dead":
            if line.startswith("pid"):
                pid = int(line[4:])
            elif line.startswith("broken"):
                pytest.fail(line)
            elif durable < 0:
                durable = int(line)
                time.sleep(alive_seconds)
                os.kill(pid, signal.SIGKILL)
            else:
                durable = int(line)
        return durable

    def start(self, root: Path) -> int:
        """The pid of a writer that goes on until it is killed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{root}\n")
        self._process.stdin.flush()
        while not (line := self._line()).startswith("pid"):
            pass
        self._pid = int(line[4:])
        return self._pid

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._pid = 0
        while self._line() != "dead":
            pass

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._pid:
            self.kill()
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def writers() -> Iterator[Writers]:
    made = Writers()
    yield made
    made.close()


def test_everything_durable_survives_and_sequences_stay_dense(tmp_path: Path, writers: Writers) -> None:
    root = tmp_path / "log"
    reader = SqliteEventLog(root, None, SystemClock())
    rng = random.Random(7)
    seen: list[Entry] = []
    positions: dict[str, int] = {}
    for _ in range(_ROUNDS):
        durable = writers.run_and_kill(root, rng.uniform(0, 0.02))
        log = SqliteEventLog(root, "p", SystemClock(), policy=ROLLING)
        assert log.appended("verdicts") >= durable
        assert log.consumed("exchanges") == {"x": log.appended("verdicts")}
        appended = log.appended("verdicts")
        log.close()
        while (batch := reader.read("verdicts", positions, 1000)).entries:
            seen += batch.entries
            positions = batch.positions
        assert len(seen) == appended
    reader.close()
    assert [entry.sequence for entry in seen] == list(range(len(seen)))
    assert [entry.event for entry in seen] == [verdict(number) for number in range(len(seen))]
    times = [entry.time_us for entry in seen]
    assert all(before < after for before, after in itertools.pairwise(times))
    assert len(list((root / "verdicts" / "p").glob("*.sqlite"))) > 3


def test_what_a_dead_writer_committed_is_read_without_it(tmp_path: Path, writers: Writers) -> None:
    """Also when it died between the commit and the tip: nobody may have to wait for its restart."""
    root = tmp_path / "log"
    durable = writers.run_and_kill(root, 0.02)
    tip = root / "verdicts" / "p" / "tip"
    tip.write_bytes(bytes(64))
    reader = SqliteEventLog(root, None, SystemClock())
    assert len(reader.read("verdicts", {}, 100_000).entries) >= durable
    reader.close()


def test_readers_beside_a_writer_see_every_event_once_and_no_watermark_too_early(
    tmp_path: Path, writers: Writers
) -> None:
    root = tmp_path / "log"
    writers.start(root)
    readers = [SqliteEventLog(root, None, SystemClock()) for _ in range(2)]
    positions: list[dict[str, int]] = [{}, {}]
    marks = [0, 0]
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for which, reader in enumerate(readers):
            batch = reader.read("verdicts", positions[which], 50)
            start = positions[which].get("p", 0)
            assert [entry.sequence for entry in batch.entries] == list(range(start, start + len(batch.entries)))
            assert all(entry.time_us > marks[which] for entry in batch.entries)
            assert batch.watermarks.get("p", 0) >= marks[which]
            positions[which], marks[which] = batch.positions, batch.watermarks.get("p", 0)
    writers.kill()
    for reader in readers:
        reader.close()
    assert min(at["p"] for at in positions) > 500
