"""Takes events from the local log to a sink, each at least once, in order, and none without an account.

It is a consumer of the log like any other: what the sink has acknowledged is consumed, and what waits for it is
spooled. While there is room nothing is unlinked that still waits; where there is none, the log goes on without it,
and what it never had is lost, and counted.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from gateway import atomicfile
from gateway.events.dead_letters import DeadLetters
from gateway.events.losses import PURGED, TOO_LARGE
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.patience import Patience
from gateway.ports import Batch, Clock, LogFull, Outgoing, Positions, Sink, SinkDown
from gateway.telemetry.metrics import RELAY_ERRORS, RELAY_LAG, Meters

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0
"""At the end: how long it goes on with what is left."""
_BATCH = 1000
_IDLE_SECONDS = 0.1
_TICK_SECONDS = 1.0
_OWN_STREAM: Stream = "audit"
"""It appends nothing: its part of this stream carries its positions."""


class Relay:
    """Not for two threads at once. `trouble`: a file that says why nothing gets through; empty while all does."""

    def __init__(
        self,
        events: SqliteEventLog,
        sink: Sink,
        letters: DeadLetters,
        *,
        streams: Sequence[Stream],
        trouble: Path,
        meters: Meters,
        clock: Clock,
    ) -> None:
        self._events = events
        self._sink = sink
        self._letters = letters
        self._streams = streams
        self._trouble = trouble
        self._meters = meters
        self._clock = clock
        self._lag = meters.gauge(RELAY_LAG)
        self._patience = Patience("relaying events", clock, (SinkDown,))
        self._ticked = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set, and then what is left, for DRAIN_SECONDS at most."""
        while not stop.is_set():
            if not self._turn():
                stop.wait(_IDLE_SECONDS)
        end = self._clock.monotonic() + DRAIN_SECONDS
        while self._clock.monotonic() < end and self._turn():
            pass

    def step(self) -> int:
        """Deliver a batch of every stream; returns how many events left. Raises SinkDown, LogFull, OSError."""
        known = {stream: self._events.consumed(stream) for stream in self._streams}
        batches = {stream: self._events.read(stream, known[stream], _BATCH) for stream in self._streams}
        waiting = [Outgoing(stream, entry) for stream, batch in batches.items() for entry in batch.entries]
        self._lag.set(self._age(waiting))
        for stream, batch in batches.items():
            self._note_gaps(stream, known[stream], batch)
        if waiting:
            self._set_aside(waiting, self._sink.deliver(waiting))
        moved = {stream: batch.positions for stream, batch in batches.items() if batch.positions != known[stream]}
        if moved:
            self._events.append(_OWN_STREAM, (), moved)
        return len(waiting)

    def _turn(self) -> int:
        """What can be done now; how many events left."""
        left = 0
        if self._patience.due:
            with self._patience.trying():
                left = self._try()
        now = self._clock.monotonic()
        if now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._events.tick(_OWN_STREAM)
        return left

    def _try(self) -> int:
        try:
            left = self.step()
        except SinkDown as error:
            self._failed(error.kind, error)
            raise
        except (OSError, sqlite3.Error, LogFull) as error:
            self._failed("storage", error)
            raise
        self._tell("")
        return left

    def _failed(self, kind: str, error: Exception) -> None:
        self._meters.counter(RELAY_ERRORS, kind).inc()
        self._tell(str(error))

    def _tell(self, trouble: str) -> None:
        """Where it stands already it is not written again."""
        try:
            if self._trouble.read_text() == trouble:
                return
        except FileNotFoundError:
            pass
        self._trouble.parent.mkdir(mode=0o700, exist_ok=True)
        atomicfile.replace(self._trouble, trouble.encode(), durable=False)

    def _age(self, waiting: Sequence[Outgoing]) -> float:
        """Seconds since the oldest was appended; 0 when there is none."""
        oldest = min((out.entry.time_us for out in waiting), default=None)
        return 0.0 if oldest is None else max(self._clock.now_us() - oldest, 0) / 1e6

    def _note_gaps(self, stream: Stream, known: Positions, batch: Batch) -> None:
        """What was damaged the log has noted as such by now: it is not noted again."""
        for producer, span in gaps(known, batch):
            if lost := self._events.skip(stream, producer, span, PURGED):
                log.error("events had gone before they were relayed", stream=stream, producer=producer, count=lost)

    def _set_aside(self, waiting: Sequence[Outgoing], refused: dict[int, str]) -> None:
        for index, reason in refused.items():
            out = waiting[index]
            self._letters.add(out, reason, self._clock.now_us())
            at = out.entry.sequence
            self._events.skip(out.stream, out.entry.producer, range(at, at + 1), TOO_LARGE)
            log.error("an event was set aside", stream=out.stream, id=out.entry.event.id, reason=reason)


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
