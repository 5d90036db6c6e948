"""Kafka's topics in memory: what sinks put there, and a source that gathers it."""

from collections.abc import Callable, Collection, Mapping, Sequence

from gateway.events.cloudevents import message
from gateway.events.gather import Read
from gateway.events.gathering import Offsets
from gateway.events.schema import Topic
from gateway.ports import BrokersAway, Entry


class FakeTopics:
    """Stream -> partitions of (headers, payload)."""

    def __init__(self, partitions: int = 3) -> None:
        self.topics: dict[Topic, list[list[tuple[dict[str, bytes], bytes]]]] = {
            "verdicts": [[] for _ in range(partitions)],
            "feedback": [[] for _ in range(partitions)],
            "progress": [[]],
        }

    def put(self, stream: Topic, gateway: str, entry: Entry) -> None:
        """By its key, as Kafka does it."""
        made = message(entry, gateway)
        partitions = self.topics[stream]
        partitions[sum(made.key) % len(partitions)].append((dict(made.headers), made.payload))


class TopicSink:
    """`gateway.ports.Sink` into them. `fails_after`: it takes so many and is away then; `never`: ids it refuses."""

    def __init__(self, topics: FakeTopics, stream: Topic, gateway: str) -> None:
        self._put: Callable[[Entry], None] = lambda entry: topics.put(stream, gateway, entry)
        self.fails_after: int | None = None
        self.never: set[str] = set()

    def deliver(self, entries: Sequence[Entry]) -> dict[int, str]:
        for number, entry in enumerate(entries):
            if number == self.fails_after:
                raise BrokersAway("test", "away")
            if entry.event.id not in self.never:
                self._put(entry)
        return {number: "never" for number, entry in enumerate(entries) if entry.event.id in self.never}

    def close(self) -> None:
        """Nothing is held."""


class FakeSource:
    """`gateway.events.gather.Source`. `most`: of each partition at a time; `backwards`: the last one first."""

    def __init__(self, topics: FakeTopics) -> None:
        self._topics = topics
        self._at: dict[Topic, dict[int, int]] = {}
        self.held: dict[Topic, Collection[int]] = {}
        self.most = 1000
        self.backwards = False
        self.away = ""

    def open(self, start: Mapping[Topic, Offsets | None]) -> None:
        self._check()
        self._at = {stream: self._start(stream, at) for stream, at in start.items()}
        self.held = {}

    def _start(self, stream: Topic, at: Offsets | None) -> dict[int, int]:
        partitions = range(len(self._topics.topics[stream]))
        return dict(self.ends(stream)) if at is None else {each: at.get(each, 0) for each in partitions}

    def poll(self, seconds: float) -> list[Read]:
        self._check()
        places = [(stream, each) for stream, at in self._at.items() for each in at]
        found = []
        for stream, each in reversed(places) if self.backwards else places:
            if each in self.held.get(stream, ()):
                continue
            first = self._at[stream][each]
            kept = self._topics.topics[stream][each][first : first + self.most]
            found += [Read(stream, each, first + number, *record) for number, record in enumerate(kept)]
            self._at[stream][each] = first + len(kept)
        return found

    def read(self, stream: Topic) -> Offsets:
        self._check()
        return dict(self._at[stream])

    def ends(self, stream: Topic) -> Offsets:
        self._check()
        return {each: len(records) for each, records in enumerate(self._topics.topics[stream])}

    def hold(self, stream: Topic, partitions: Collection[int]) -> None:
        self.held[stream] = partitions

    def close(self) -> None:
        self._at = {}

    def _check(self) -> None:
        if self.away:
            raise BrokersAway("test", self.away)
