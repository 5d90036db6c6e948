"""Two gateways, topics, and one who gathers; failures, repetitions, kills: the same events in the same places.

What is claimed of time must hold: nothing that is still to come is earlier than what was said.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from gateway.events import ledger
from gateway.events.gather import Gather, Logs
from gateway.events.gathering import local_name
from gateway.events.policy import StreamPolicy
from gateway.events.schema import Stream, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import BrokersAway
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import verdict
from tests.support.manual_clock import ManualClock
from tests.support.remote import PRODUCER, Remote
from tests.support.topics import FakeSource, FakeTopics

GATEWAYS = ("east", "west")
POLICY: Mapping[Stream, StreamPolicy] = {
    "verdicts": StreamPolicy(roll_seconds=30, roll_bytes=4000),
    "audit": StreamPolicy(),
}
MEMORY = Path("/dev/shm")  # noqa: S108 - no fsync there, and names from mkdtemp


def of_unit(number: int, time_us: int) -> VerdictV1:
    """Each unit's events are in a partition of their own."""
    made = verdict(number, time_us)
    return replace(made, assignment=replace(made.assignment, unit_hash=number.to_bytes(16)))


class GatheredIsWhatWasSent(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tipstaff-gather-", dir=MEMORY if MEMORY.is_dir() else None))
        self.topics = FakeTopics()
        for name in GATEWAYS:
            (self.folder / name).mkdir()
        self.remotes = {name: Remote(name, self.folder / name, self.topics, POLICY) for name in GATEWAYS}
        self.clock = ManualClock()
        self.meters = Meters(CounterFile.open(self.folder / "counters-gather.bin"))
        self.source = FakeSource(self.topics)
        self.reader = SqliteEventLog(self.folder / "log", None, self.clock)
        self.begin()

    def begin(self) -> None:
        def opened(producer: str) -> SqliteEventLog:
            return SqliteEventLog(self.folder / "log", producer, self.clock, policy=POLICY)

        self.logs = Logs(self.folder / "log", opened, self.meters)
        self.gather = Gather(
            self.source,
            self.logs,
            GATEWAYS,
            offsets=self.folder / "gather" / "offsets.json",
            trouble=self.folder / "status" / "gather.trouble",
            meters=self.meters,
            clock=self.clock,
        )

    @rule(name=st.sampled_from(GATEWAYS), count=st.integers(1, 30))
    def scored(self, name: str, count: int) -> None:
        remote = self.remotes[name]
        first = len(remote.made)
        remote.score([of_unit(first + each, remote.clock.us + each) for each in range(count)])

    @rule(name=st.sampled_from(GATEWAYS), plan=st.sampled_from(("all", "all", "half", "refuse")))
    def relayed(self, name: str, plan: str) -> None:
        remote = self.remotes[name]
        remote.sink.fails_after = 3 if plan == "half" else None
        if plan == "refuse" and remote.waiting:
            remote.sink.never = {remote.waiting[0].event.id}
            remote.refused.add(remote.waiting[0].sequence)
        try:
            remote.relay.step()
        except BrokersAway:
            return

    @rule(name=st.sampled_from(GATEWAYS))
    def told(self, name: str) -> None:
        self.remotes[name].herald.speak()

    @rule(most=st.integers(1, 5), backwards=st.booleans(), seconds=st.sampled_from((0, 2, 40)))
    def gathered(self, most: int, seconds: int, *, backwards: bool) -> None:
        self.source.most, self.source.backwards = most, backwards
        self.clock.advance(seconds)
        self.gather.turn()

    @rule(name=st.sampled_from(GATEWAYS), most=st.integers(1, 5))
    def told_and_gathered(self, name: str, most: int) -> None:
        self.told(name)
        for _ in range(3):
            self.gathered(most, 2, backwards=False)

    @rule()
    def killed(self) -> None:
        """What it had in hand is gone; its files are as they were."""
        self.logs.close()
        self.begin()

    @rule()
    def brokers_go(self) -> None:
        self.source.away = "away"
        self.gather.turn()
        self.source.away = ""
        self.clock.advance(20)

    @invariant()
    def what_is_here_is_theirs(self) -> None:
        if not hasattr(self, "reader"):
            return
        assert not any(each.begun_anew for each in self.gather._streams.values())
        batch = self.reader.read("verdicts", {}, 100_000)
        for name, remote in self.remotes.items():
            producer = local_name(PRODUCER, name)
            got = [entry for entry in batch.entries if entry.producer == producer]
            here = {entry.sequence for entry in got}
            assert [entry.sequence for entry in got] == sorted(here)
            for entry in got:
                made = remote.made[entry.sequence]
                assert (entry.time_us, entry.event) == (made.time_us, made.event)
            coming = [each for each in remote.made if each.sequence not in here | remote.refused]
            assert all(each.sequence >= batch.positions.get(producer, 0) for each in coming)
            for each in coming:
                assert isinstance(each.event, VerdictV1)
                assert each.time_us > batch.watermarks.get(producer, 0)
                assert each.event.time_us > batch.forwarded.get(producer, 0)

    def teardown(self) -> None:
        if not hasattr(self, "reader"):
            return
        for remote in self.remotes.values():
            remote.sink.fails_after = None
            while remote.relay.step():
                pass
        self.source.most = 1000
        self.gather.step()
        for remote in self.remotes.values():
            remote.herald.speak()
        for _ in range(3):  # hears it, knows where partitions end, has read that far
            self.gather.step()
        self.all_is_here()
        for remote in self.remotes.values():
            remote.close()
        self.reader.close()
        self.logs.close()
        self.meters.file.close()
        shutil.rmtree(self.folder)

    def all_is_here(self) -> None:
        batch = self.reader.read("verdicts", {}, 100_000)
        for name, remote in self.remotes.items():
            producer = local_name(PRODUCER, name)
            here = {entry.sequence for entry in batch.entries if entry.producer == producer}
            assert here >= {each.sequence for each in remote.made} - remote.refused
            assert batch.positions.get(producer, 0) == len(remote.made)
            assert batch.forwarded.get(producer, 0) == remote.scored_us
        counters = self.folder / "counters"
        counters.mkdir()
        shutil.copy(self.folder / "counters-gather.bin", counters / "gather.bin")
        book = ledger.read(self.folder / "log", counters, {"verdicts": frozenset({"controller", "relay"})})[
            "verdicts"
        ]
        assert book.balanced
        assert book.in_flight == 0
        assert book.appended == sum(len(remote.made) for remote in self.remotes.values())
        assert book.consumers["relay"] == ledger.Delivery(0, 0, 0)  # it is owed nothing of theirs
        assert book.consumers["controller"].spooled + book.consumers["controller"].lost == book.appended


GatheredIsWhatWasSent.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestGatheredIsWhatWasSent = GatheredIsWhatWasSent.TestCase
