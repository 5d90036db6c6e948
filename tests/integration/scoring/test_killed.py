"""The scorer is killed at random moments, or by what it reads; every exchange still gets exactly one verdict."""

import itertools
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifiers.verdict import Why
from gateway.clock import SystemClock
from gateway.events.schema import VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.scoring.texts import KeptTexts
from gateway.telemetry import counterfile
from tests.support.wait import until
from tests.unit.scoring.making import exchange, identifier

KILLS = 20


class Scorers:
    """One scorer process after another over the same folder, and the proxy's log that they read."""

    def __init__(self, folder: Path, deadline: float = 60.0) -> None:
        self.folder = DataFolder(folder)
        self.proxy = SqliteEventLog(
            self.folder.log, "proxy-0", SystemClock(), consumers={"exchanges": frozenset({"scorer-0"})}
        )
        self.reader = SqliteEventLog(self.folder.log, None, SystemClock())
        self._positions: dict[str, int] = {}
        self._found: list[VerdictV1] = []
        self._deadline = deadline
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        module = "tests.integration.scoring.scorer_process"
        command = [sys.executable, "-m", module, str(self.folder.root), str(self._deadline)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        return self.process

    def verdicts(self) -> list[VerdictV1]:
        """All so far; what was read before is not read again."""
        while True:
            batch = self.reader.read("verdicts", self._positions, 1000)
            if not batch.entries:
                return self._found
            self._found += [entry.event for entry in batch.entries if isinstance(entry.event, VerdictV1)]
            self._positions = batch.positions

    def count(self) -> int:
        return len(self.verdicts())

    def end(self) -> int:
        """SIGTERM and the exit code."""
        process = self.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert b"Traceback" not in errors, errors.decode()
        return process.returncode

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.proxy.close()
        self.reader.close()

    def number(self, name: str, *labels: str) -> float:
        for series, values in counterfile.read(self.folder.counter_file("scorer-0")):
            if series.name == name and tuple(value for _, value in series.labels) == labels:
                return values[0]
        return 0.0


@pytest.fixture
def scorers(tmp_path: Path) -> Iterator[Scorers]:
    made = Scorers(tmp_path)
    yield made
    made.close()


def test_killed_at_random_moments_while_the_log_fills(scorers: Scorers) -> None:
    """Exchanges keep coming while it is killed; a kill may hit anything: read, classify, keep, append, count."""
    chance = random.Random(11)
    numbers = itertools.count()
    texts = ("fine", "bad", "no", "raise", "unreadable")

    def fill(count: int) -> None:
        scorers.proxy.append("exchanges", [exchange(n, texts[n % 5]) for n in itertools.islice(numbers, count)])

    fill(200)
    for _ in range(KILLS):
        before = scorers.count()
        process = scorers.start()
        _scores(scorers, before)
        for _ in range(chance.randrange(3)):
            fill(100)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.random() * 0.05)
        process.kill()
        process.communicate()
        fill(150)
    total = next(numbers)
    scorers.start()
    until(lambda: scorers.count() >= total, 60, "all are scored")
    assert scorers.end() == 0
    found = scorers.verdicts()
    assert [verdict.sequence for verdict in found] == list(range(total))
    assert [verdict.exchange_id for verdict in found] == [identifier(number) for number in range(total)]
    _numbers_fit(scorers, found)
    _texts_are_kept(scorers, found)


def _scores(scorers: Scorers, before: int) -> None:
    until(lambda: scorers.count() > before, 30, "it scores")


def _numbers_fit(scorers: Scorers, found: list[VerdictV1]) -> None:
    """Exactly, but for the one verdict that was being counted at the moment of a kill (see Tally)."""
    assert scorers.number("tipstaff_events_produced_total", "verdicts") == len(found)
    assert scorers.number("tipstaff_events_started_total", "verdicts") == len(found)
    scored = scorers.number("tipstaff_exchanges_scored_total", "assistant", "stable")
    assert len(found) <= scored <= len(found) + KILLS
    bad = sum(bool(verdict.verdict.violations) for verdict in found)
    violations = scorers.number("tipstaff_violations_total", "assistant", "stable", "manners", "low")
    assert bad <= violations <= bad + KILLS
    reasons = Counter(verdict.verdict.not_evaluated for verdict in found)
    assert set(reasons) <= {None, Why.FAILED, Why.UNDECODABLE, Why.CRASHED}
    assert reasons[Why.CRASHED] <= KILLS * 16 / 2


def _texts_are_kept(scorers: Scorers, found: list[VerdictV1]) -> None:
    kept = KeptTexts(scorers.folder.texts, None, SystemClock(), days=7, max_bytes=1 << 28)
    sample = [verdict for verdict in found if verdict.verdict.not_evaluated is None][::20]
    assert all(kept.get(verdict.exchange_id) is not None for verdict in sample)


@pytest.mark.parametrize(("poison", "why"), [("kill", Why.CRASHED), ("hang", Why.TIMED_OUT)])
def test_what_ends_the_scorer_twice_gets_a_verdict_and_is_passed(tmp_path: Path, poison: str, why: Why) -> None:
    scorers = Scorers(tmp_path, deadline=0.5)
    scorers.proxy.append("exchanges", [exchange(n, poison if n == 20 else "fine") for n in range(50)])
    for _ in range(2):
        process = scorers.start()
        process.communicate(timeout=30)
        assert process.returncode == (-signal.SIGKILL if poison == "kill" else 1)
    scorers.start()
    until(lambda: scorers.count() == 50, 30, "all have verdicts")
    assert scorers.end() == 0
    assert {v.sequence: v.verdict.not_evaluated for v in scorers.verdicts()} == {
        number: why if number == 20 else None for number in range(50)
    }
    scorers.close()


def test_sigterm_finishes_the_batch_in_hand(scorers: Scorers) -> None:
    scorers.proxy.append("exchanges", [exchange(number) for number in range(500)])
    scorers.start()
    until(scorers.count, 30, "it scores")
    assert scorers.end() == 0
    found = scorers.verdicts()
    assert [verdict.sequence for verdict in found] == list(range(len(found)))
    assert scorers.number("tipstaff_events_produced_total", "verdicts") == len(found)
    assert not any(verdict.verdict.not_evaluated for verdict in found)
