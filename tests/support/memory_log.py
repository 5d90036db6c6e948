"""An event log without a disk: a verified fake, under the same contract as the real one."""

from collections.abc import Mapping, Sequence

from gateway.events.schema import Event, Stream
from gateway.ports import Batch, Clock, Entry, Positions


class MemoryStore:
    """What outlives the logs that are opened on it."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Stream, str], list[Entry]] = {}
        self.watermarks: dict[tuple[Stream, str], int] = {}
        self.forwarded: dict[tuple[Stream, str], int] = {}
        self.consumed: dict[str, dict[tuple[Stream, str], int]] = {}


class MemoryEventLog:
    """`gateway.ports.EventLog` in memory. Not for several threads."""

    def __init__(self, store: MemoryStore, producer: str, clock: Clock) -> None:
        self.producer = producer
        self._store = store
        self._clock = clock
        self._turn = 0
        self._consumed = store.consumed.setdefault(producer, {})

    def append(
        self,
        stream: Stream,
        events: Sequence[Event],
        consumed: Mapping[Stream, Positions] | None = None,
        forwarded: int = 0,
    ) -> tuple[int, ...]:
        table = {(name, of): at for name, positions in (consumed or {}).items() for of, at in positions.items()}
        if any(position < self._consumed.get(key, 0) for key, position in table.items()):
            raise ValueError("a consumed position would go back")
        key = (stream, self.producer)
        kept = self._store.entries.setdefault(key, [])
        first_us = max(self._clock.now_us(), self._store.watermarks.get(key, 0) + 1)
        times = tuple(range(first_us, first_us + len(events)))
        for time_us, event in zip(times, events, strict=True):
            kept.append(Entry(self.producer, len(kept), time_us, event))
        if times:
            self._store.watermarks[key] = times[-1]
        self._consumed.update(table)
        self._forward(key, forwarded)
        return times

    def _forward(self, key: tuple[Stream, str], forwarded: int) -> None:
        self._store.forwarded[key] = max(forwarded, self._store.forwarded.get(key, 0))

    def tick(self, stream: Stream, forwarded: int = 0) -> None:
        key = (stream, self.producer)
        self._store.entries.setdefault(key, [])
        self._store.watermarks[key] = max(self._clock.now_us(), self._store.watermarks.get(key, 0))
        self._forward(key, forwarded)

    def read(self, stream: Stream, after: Positions, limit: int) -> Batch:
        positions, watermarks, forwarded = dict(after), {}, {}
        entries: list[Entry] = []
        self._turn += 1
        for producer in self._in_turn(stream):
            if len(entries) >= limit:
                positions.setdefault(producer, 0)
                continue
            kept = self._store.entries[stream, producer]
            start = positions.get(producer, 0)
            found = kept[start : start + limit - len(entries)]
            entries += found
            positions[producer] = start + len(found)
            mark = self._store.watermarks.get((stream, producer), 0)
            exhausted = positions[producer] >= len(kept)
            if exhausted and (told := self._store.forwarded.get((stream, producer), 0)):
                forwarded[producer] = told
            if exhausted and mark:
                watermarks[producer] = mark
            elif found:
                watermarks[producer] = found[-1].time_us
        return Batch(tuple(entries), positions, watermarks, forwarded)

    def _in_turn(self, stream: Stream) -> list[str]:
        names = [producer for name, producer in self._store.entries if name == stream]
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]

    def appended(self, stream: Stream) -> int:
        return len(self._store.entries.get((stream, self.producer), []))

    def consumed(self, stream: Stream) -> dict[str, int]:
        return {producer: at for (name, producer), at in self._consumed.items() if name == stream}

    def close(self) -> None:
        """Nothing to let go of."""
