"""Takes events from the local log to sinks, each at least once, in order, and none without an account.

It is a consumer of the log like any other: what a sink has acknowledged is consumed, and what waits for it is
spooled. While there is room nothing is unlinked that still waits; where there is none, the log goes on without it,
and what it never had is lost, and counted. Each stream goes for itself: one that gets nowhere holds up no other.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.events.dead_letters import DeadLetters
from gateway.events.losses import PURGED, REFUSED
from gateway.events.schema import Known, ProgressV1, Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.events.trouble import tell
from gateway.patience import Patience
from gateway.ports import Batch, BrokersAway, Clock, Entry, LogFull, Positions, Sink
from gateway.processes import RELAY
from gateway.telemetry.metrics import RELAY_ERRORS, RELAY_LAG, Meters

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0
"""At the end: how long it goes on with what is left."""
_BATCH = 1000
_WORD_SECONDS = 0.25
_IDLE_SECONDS = 0.1
_TICK_SECONDS = 1.0
_OWN_STREAM: Stream = "audit"
"""It appends nothing: its part of this stream carries its positions."""


class StreamRelay:
    """Of one stream. `trouble`: why nothing gets through, empty while all does."""

    def __init__(
        self,
        stream: Stream,
        events: SqliteEventLog,
        sink: Sink,
        letters: DeadLetters,
        meters: Meters,
        clock: Clock,
    ) -> None:
        self.stream = stream
        self._oldest_us: int | None = None
        """When the oldest event was appended that waits."""
        self.trouble = ""
        self.known: dict[str, Known] = {}
        """By producer: what may be said to others of it."""
        self._events = events
        self._sink = sink
        self._letters = letters
        self._meters = meters
        self._clock = clock
        self._met = False
        """Once the sink has been reached: what is wrong with it is to be known before the first event."""
        self._patience = Patience(f"relaying {stream}", clock, (BrokersAway,))

    @property
    def lag(self) -> float:
        """Seconds since the oldest event that waits was appended, also between two tries; 0 when none does."""
        oldest_us = self._oldest_us
        return 0.0 if oldest_us is None else max(self._clock.now_us() - oldest_us, 0) / 1e6

    def turn(self) -> int:
        """What can be done now; how many events left."""
        left = 0
        if self._patience.due:
            with self._patience.trying():
                left = self._try()
        return left

    def step(self) -> int:
        """Deliver a batch; returns how many events left. Raises BrokersAway, LogFull, OSError."""
        known = self._events.consumed(self.stream)
        batch = self._events.read(self.stream, known, _BATCH)
        self._oldest_us = min((entry.time_us for entry in batch.entries), default=None)
        self._note_gaps(known, batch)
        if batch.entries or not self._met:
            self._set_aside(batch.entries, self._sink.deliver(batch.entries))
            self._met = True
        if batch.positions != known:
            self._events.append(_OWN_STREAM, (), {self.stream: batch.positions})
        for producer, end in batch.positions.items():
            before = self.known.get(producer, Known(0, 0, 0))
            watermark = batch.watermarks.get(producer, before.watermark_us)
            forwarded = batch.forwarded.get(producer, before.forwarded_us)
            self.known[producer] = Known(end, watermark, forwarded)
        return len(batch.entries)

    def _try(self) -> int:
        try:
            left = self.step()
        except BrokersAway as error:
            self._failed(error.kind, error)
            raise
        except (OSError, sqlite3.Error, LogFull) as error:
            self._failed("storage", error)
            raise
        self.trouble = ""
        return left

    def _failed(self, kind: str, error: Exception) -> None:
        self._meters.counter(RELAY_ERRORS, kind).inc()
        self.trouble = str(error)

    def _note_gaps(self, known: Positions, batch: Batch) -> None:
        """What was damaged the log has noted as such by now: it is not noted again."""
        for producer, span in gaps(known, batch):
            if lost := self._events.skip(self.stream, producer, span, PURGED):
                log.error(
                    "events had gone before they were relayed", stream=self.stream, producer=producer, count=lost
                )

    def _set_aside(self, entries: Sequence[Entry], refused: Mapping[int, str]) -> None:
        for index, reason in refused.items():
            entry = entries[index]
            self._letters.add(self.stream, entry, reason, self._clock.now_us())
            self._events.skip(self.stream, entry.producer, range(entry.sequence, entry.sequence + 1), REFUSED)
            log.error("an event was set aside", stream=self.stream, id=entry.event.id, reason=reason)


class Herald:
    """Tells whoever gathers how far streams have been relayed: after their events, a few times a second."""

    def __init__(self, streams: Sequence[StreamRelay], sink: Sink, clock: Clock) -> None:
        self._streams = streams
        self._sink = sink
        self._clock = clock
        self._patience = Patience("telling how far streams are", clock, (BrokersAway,))
        self._told_at = float("-inf")
        self._count = 0
        self.trouble = ""

    def turn(self) -> None:
        """What is due now."""
        if self._patience.due and self._clock.monotonic() - self._told_at >= _WORD_SECONDS:
            with self._patience.trying():
                self.speak()

    def speak(self) -> None:
        """Now. Raises BrokersAway."""
        words = [self._word(each) for each in self._streams if each.known]
        try:
            self._sink.deliver(words)
        except BrokersAway as error:
            self.trouble = str(error)
            raise
        self.trouble, self._told_at = "", self._clock.monotonic()

    def _word(self, stream: StreamRelay) -> Entry:
        now_us = self._clock.now_us()
        self._count += 1
        word = ProgressV1(f"{stream.stream}.{now_us}", now_us, stream.stream, dict(stream.known))
        return Entry(RELAY, self._count, now_us, word)


class Relay:
    """All streams, in turns. Not for two threads at once. `herald`: of a gateway that others gather.

    `trouble`: a file that says why nothing gets through; empty while all does.
    """

    def __init__(
        self,
        events: SqliteEventLog,
        streams: Sequence[StreamRelay],
        *,
        herald: Herald | None = None,
        trouble: Path,
        meters: Meters,
        clock: Clock,
    ) -> None:
        self._events = events
        self._streams = streams
        self._herald = herald
        self._parts = (*streams, *(() if herald is None else (herald,)))
        self._trouble = trouble
        self._lag = meters.gauge(RELAY_LAG)
        self._clock = clock
        self._ticked = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set."""
        while not stop.is_set():
            if not self.turn(stop):
                stop.wait(_IDLE_SECONDS)

    def turn(self, stop: threading.Event) -> int:
        """A batch of each stream, unless `stop` is set meanwhile; how many events left."""
        return sum(self._one(each) for each in self._streams if not stop.is_set())

    def drain(self) -> None:
        """Relay what is left, for DRAIN_SECONDS at most, of the streams that get somewhere."""
        end = self._clock.monotonic() + DRAIN_SECONDS
        going = [each for each in self._streams if not each.trouble]
        while going:
            going = [
                each for each in going if self._clock.monotonic() < end and self._one(each) and not each.trouble
            ]
        if self._herald is not None and not self._herald.trouble:
            with suppress(BrokersAway):
                self._herald.speak()

    def _one(self, stream: StreamRelay) -> int:
        left = stream.turn()
        if self._herald is not None:
            self._herald.turn()
        self._lag.set(max(each.lag for each in self._streams))
        tell(self._trouble, "; ".join(dict.fromkeys(each.trouble for each in self._parts if each.trouble)))
        now = self._clock.monotonic()
        if now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._events.tick(_OWN_STREAM)
        return left


def gaps(known: Positions, batch: Batch) -> Iterator[tuple[str, range]]:
    """Producer and sequences between what was known and what came that did not come."""
    expected = dict(known)
    for entry in batch.entries:
        yield from _gap(entry.producer, expected.get(entry.producer, 0), entry.sequence)
        expected[entry.producer] = entry.sequence + 1
    for producer, position in batch.positions.items():
        yield from _gap(producer, expected.get(producer, 0), position)


def _gap(producer: str, expected: int, found: int) -> Iterator[tuple[str, range]]:
    if found > expected:
        yield producer, range(expected, found)
