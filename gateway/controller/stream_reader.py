"""Takes a stream from the event log into a file of the controller."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from gateway.events.schema import Stream
from gateway.ports import Entry, EventLog, LogFull, Positions
from gateway.telemetry.counterfile import Counter

_BATCH = 1000
_OWN_STREAM: Stream = "audit"


def everybody(_producer: str) -> bool:
    """Whoever has a log is awaited."""
    return True


class Intake(Protocol):
    """What events are taken into; it keeps them together with how far it got."""

    def positions(self) -> dict[str, int]:
        """What has been taken in of each producer."""

    def add(self, entries: Iterable[Entry], positions: Positions) -> int:
        """Take events in and move to `positions`, in one transaction; returns how many were new."""


class StreamReader:
    """Reads `stream` from where the intake stands. One thread at a time. `awaits`: whether a producer may still say
    something; what the others left is read, and nobody waits for more. `taken` hears of what was taken in, now and
    then more than once.
    """

    def __init__(
        self,
        stream: Stream,
        events: EventLog,
        intake: Intake,
        errors: Counter,
        awaits: Callable[[str], bool],
        taken: Callable[[Sequence[Entry]], None] = lambda _: None,
    ) -> None:
        self._awaits = awaits
        self._stream = stream
        self._events = events
        self._intake = intake
        self._taken = taken
        self._errors = errors
        self.watermarks: dict[str, int] = {}
        """Producer -> microseconds: what it still has to come has a later canonical time."""
        self.forwarded: dict[str, int] = {}
        """Producer -> microseconds: what it still has to come speaks of events with a later canonical time."""

    def step(self) -> int:
        """Take one batch in; returns how many events it had. The next step reads again what failed.

        Raises sqlite3.Error, OSError, LogFull, having counted it.
        """
        try:
            return self._take()
        except (sqlite3.Error, OSError, LogFull):
            self._errors.inc()
            raise

    def tick(self) -> None:
        """Upkeep of the stream that carries this process's positions; due about once a second."""
        self._events.tick(_OWN_STREAM)

    def _take(self) -> int:
        batch = self._events.read(self._stream, self._intake.positions(), _BATCH)
        if batch.entries:
            self._intake.add(batch.entries, batch.positions)
            self._taken(batch.entries)
        self._announce(batch.positions)
        self.watermarks.update(self._awaited(batch.watermarks))
        self.forwarded.update(
            self._awaited(dict.fromkeys(batch.positions, 0)) | self.forwarded | self._awaited(batch.forwarded)
        )
        return len(batch.entries)

    def _awaited(self, found: Mapping[str, int]) -> dict[str, int]:
        return {producer: time_us for producer, time_us in found.items() if self._awaits(producer)}

    def _announce(self, positions: Positions) -> None:
        """Tell the log how far this consumer is, after the intake has it: for the ledger and for unlinking.

        A file that was made anew starts behind what it had announced, and positions never go back there.
        """
        known = self._events.consumed(self._stream)
        ahead = {name: at for name, at in positions.items() if at > known.get(name, 0)}
        if ahead:
            self._events.append(_OWN_STREAM, (), {self._stream: ahead})
