"""A gateway that follows, without a network: its scorer's log, its relay, and its word on how far that is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.events.dead_letters import DeadLetters
from gateway.events.policy import StreamPolicy
from gateway.events.relay import Herald, StreamRelay
from gateway.events.schema import Stream, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import Entry
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.support.topics import FakeTopics, TopicSink

PRODUCER = "scorer-0"


class Remote:
    """`made`: what its scorer ever wrote; `refused`: sequences that its topic did not take."""

    def __init__(
        self, name: str, folder: Path, topics: FakeTopics, policy: Mapping[Stream, StreamPolicy] | None = None
    ) -> None:
        self.clock = ManualClock()
        self.scorer = SqliteEventLog(folder / "log", PRODUCER, self.clock, policy=policy)
        self._own = SqliteEventLog(folder / "log", "relay", self.clock, policy=policy)
        self.meters = Meters(CounterFile.open(folder / "relay.bin"))
        self.sink = TopicSink(topics, "verdicts", name)
        letters = DeadLetters(folder / "dead.jsonl")
        self.relay = StreamRelay("verdicts", self._own, self.sink, letters, self.meters, self.clock)
        self.herald = Herald([self.relay], TopicSink(topics, "progress", name), self.clock)
        self.made: list[Entry] = []
        self.refused: set[int] = set()
        self.scored_us = 0

    def score(self, events: Sequence[VerdictV1]) -> None:
        """Verdicts on exchanges that are later than all those before."""
        first = len(self.made)
        self.scored_us = max(self.scored_us, *(each.time_us for each in events))
        times = self.scorer.append("verdicts", events, forwarded=self.scored_us)
        places = enumerate(zip(times, events, strict=True), first)
        self.made += [Entry(PRODUCER, sequence, time_us, event) for sequence, (time_us, event) in places]
        self.clock.advance(1)

    @property
    def waiting(self) -> list[Entry]:
        """What its relay has not had through yet."""
        return self.made[self._own.consumed("verdicts").get(PRODUCER, 0) :]

    def close(self) -> None:
        """All its files."""
        self.scorer.close()
        self._own.close()
        self.meters.file.close()
