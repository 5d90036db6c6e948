"""Any order of appends, failures, half deliveries, kills, purges, restarts: nothing is lost without an account."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.events import ledger
from gateway.events.dead_letters import DeadLetters
from gateway.events.policy import StreamPolicy
from gateway.events.relay import StreamRelay
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import BrokersAway
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import audit, feedback
from tests.support.manual_clock import ManualClock
from tests.support.sink import FakeSink, KilledHere

POLICY: dict[Stream, StreamPolicy] = {
    "feedback": StreamPolicy(roll_seconds=20, roll_bytes=1500, max_bytes=6000, keep_seconds=30),
    "audit": StreamPolicy(),
}
CONSUMERS: Mapping[Stream, frozenset[str]] = {"feedback": frozenset({"relay"})}
MEMORY = Path("/dev/shm")  # noqa: S108 - no fsync there, and names from mkdtemp


class RelayAgainstItsAccount(RuleBasedStateMachine):
    """Two producers of `feedback`, one relay; `audit` only carries its positions."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tipstaff-relay-", dir=MEMORY if MEMORY.is_dir() else None))
        self.clock = ManualClock()
        self.sink = FakeSink()
        self.meters = Meters(CounterFile.open(self.folder / "relay.bin"))
        self.logs = {name: self.open(name) for name in ("p", "q")}
        self.number = 0
        self.begin()

    def open(self, name: str) -> SqliteEventLog:
        return SqliteEventLog(self.folder / "log", name, self.clock, patient=CONSUMERS, policy=POLICY)

    def begin(self) -> None:
        self.events = self.open("relay")
        letters = DeadLetters(self.folder / "dead.jsonl")
        self.relay = StreamRelay("feedback", self.events, self.sink, letters, self.meters, self.clock)

    @rule(name=st.sampled_from("pq"), count=st.integers(1, 12))
    def append(self, name: str, count: int) -> None:
        self.logs[name].append("feedback", [feedback(self.number + each) for each in range(count)])
        self.number += count

    @rule(seconds=st.sampled_from((1, 25, 60)), name=st.sampled_from("pq"))
    def time_passes(self, seconds: int, name: str) -> None:
        self.clock.advance(seconds)
        self.logs[name].tick("feedback")

    @rule(plan=st.sampled_from(("all", "half", "killed", "refuse")))
    def relay_once(self, plan: str) -> None:
        self.sink.down, self.sink.takes_first = ("away", 5) if plan == "half" else ("", 0)
        self.sink.killed = plan == "killed"
        self.sink.never = {feedback(self.number - 1).id: "never"} if plan == "refuse" and self.number else {}
        try:
            self.relay.step()
        except BrokersAway:
            return
        except KilledHere:
            self.events.close()
            self.begin()

    @rule()
    def restart(self) -> None:
        self.events.close()
        self.begin()

    @rule()
    def someone_else_appends(self) -> None:
        self.logs["p"].append("audit", [audit(self.number)])

    def teardown(self) -> None:
        if not hasattr(self, "events"):
            return
        self.sink.down, self.sink.killed, self.sink.never = "", False, {}
        while self.relay.step():
            pass
        book = ledger.read(self.folder / "log", self.folder / "none", CONSUMERS)["feedback"]
        account = book.consumers["relay"]
        assert book.balanced
        assert (book.appended, account.spooled) == (self.number, 0)
        got = [self.sink.sequences(name) for name in self.logs]
        distinct = sum(len(set(sequences)) for sequences in got)
        assert account.delivered <= distinct <= account.delivered + account.lost
        for sequences in got:
            firsts = list(dict.fromkeys(sequences))
            assert firsts == sorted(firsts)  # repetitions aside, in order
        for log in (*self.logs.values(), self.events):
            log.close()
        self.meters.file.close()
        shutil.rmtree(self.folder)


RelayAgainstItsAccount.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRelayAgainstItsAccount = RelayAgainstItsAccount.TestCase
