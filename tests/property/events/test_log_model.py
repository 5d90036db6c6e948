"""Any sequence of appends, reads, restarts, rolls, purges and clock jumps: the SQLite engine against the fake."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.events.policy import StreamPolicy
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from tests.support.events import audit
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore

PRODUCERS = ("p", "q")
CONSUMER = "c"
POLICY: dict[Stream, StreamPolicy] = {
    "audit": StreamPolicy(roll_seconds=20, roll_bytes=700, keep_seconds=30),
    "verdicts": StreamPolicy(roll_seconds=20, roll_bytes=200),
}
CONSUMERS: Mapping[Stream, frozenset[str]] = {"audit": frozenset({CONSUMER})}
MEMORY = Path("/dev/shm")  # noqa: S108 - no fsync there, and names from mkdtemp
producers = st.sampled_from(PRODUCERS)


class LogAgainstModel(RuleBasedStateMachine):
    """`q` and `p` write `audit`; `c` reads it and records, in `verdicts`, how far."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tipstaff-log-", dir=MEMORY if MEMORY.is_dir() else None))
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.number = 0
        self.positions: dict[str, int] = {}
        self.marks: dict[str, int] = {}
        names = (*PRODUCERS, CONSUMER)
        self.real = {name: self.open(name) for name in names}
        self.model = {name: MemoryEventLog(self.store, name, self.clock) for name in names}

    def open(self, name: str) -> SqliteEventLog:
        return SqliteEventLog(self.folder, name, self.clock, policy=POLICY, consumers=CONSUMERS)

    @rule(name=producers, count=st.integers(0, 12))
    def append(self, name: str, count: int) -> None:
        events = [audit(self.number + index) for index in range(count)]
        self.number += count
        assert self.real[name].append("audit", events) == self.model[name].append("audit", events)

    @rule(limit=st.integers(1, 9))
    def consume(self, limit: int) -> None:
        batch = self.real[CONSUMER].read("audit", self.positions, limit)
        assert len(batch.entries) <= limit
        for entry in batch.entries:
            assert entry.sequence == self.positions.get(entry.producer, 0)
            assert entry == self.store.entries["audit", entry.producer][entry.sequence]
            assert entry.time_us > self.marks.get(entry.producer, 0)
            self.positions[entry.producer] = entry.sequence + 1
        assert batch.positions == {**batch.positions, **self.positions}
        for name, mark in batch.watermarks.items():
            assert mark >= self.marks.get(name, 0)
            self.marks[name] = mark

    @rule()
    def commit(self) -> None:
        for log in (self.real[CONSUMER], self.model[CONSUMER]):
            log.append("verdicts", [audit(0)], {"audit": self.positions})

    @rule(seconds=st.integers(0, 60), back=st.booleans())
    def time_passes(self, seconds: int, back: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        self.clock.seconds += 2
        if back:
            self.clock.set_back(seconds)
        else:
            self.clock.advance(seconds)

    @rule(name=producers)
    def tick(self, name: str) -> None:
        self.real[name].tick("audit")
        self.model[name].tick("audit")

    @rule(name=st.sampled_from((*PRODUCERS, CONSUMER)))
    def restart(self, name: str) -> None:
        self.real[name].close()
        self.real[name] = self.open(name)

    @invariant()
    def counts_agree(self) -> None:
        for name, log in self.real.items():
            assert log.appended("audit") == self.model[name].appended("audit")
            assert log.consumed("audit") == self.model[name].consumed("audit")

    def teardown(self) -> None:
        while self.real[CONSUMER].read("audit", self.positions, 100).entries:
            self.consume(100)
        for name in PRODUCERS:
            assert self.positions.get(name, 0) == self.real[name].appended("audit")
        for log in self.real.values():
            log.close()
        shutil.rmtree(self.folder)


TestLogAgainstModel = LogAgainstModel.TestCase
TestLogAgainstModel.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
