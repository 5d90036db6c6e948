"""Takes verdicts from the event log into the index of exchanges."""

import sqlite3

from gateway.controller.index import ExchangeIndex
from gateway.events.schema import Stream
from gateway.ports import EventLog, LogFull, Positions
from gateway.telemetry.metrics import VERDICT_ERRORS, Meters

_BATCH = 1000
_OWN_STREAM: Stream = "audit"


class VerdictReader:
    """Reads `verdicts` from where the index stands. One thread at a time."""

    def __init__(self, events: EventLog, index: ExchangeIndex, meters: Meters) -> None:
        self._events = events
        self._index = index
        self._errors = meters.counter(VERDICT_ERRORS)

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
        """Upkeep of the stream that carries this consumer's positions; due about once a second."""
        self._events.tick(_OWN_STREAM)

    def _take(self) -> int:
        batch = self._events.read("verdicts", self._index.positions(), _BATCH)
        if batch.entries:
            self._index.add(batch.entries, batch.positions)
        self._announce(batch.positions)
        return len(batch.entries)

    def _announce(self, positions: Positions) -> None:
        """Tell the log how far this consumer is, after the index has it: for the ledger and for unlinking.

        An index that was made anew starts behind what it had announced, and positions never go back there.
        """
        known = self._events.consumed("verdicts")
        ahead = {name: at for name, at in positions.items() if at > known.get(name, 0)}
        if ahead:
            self._events.append(_OWN_STREAM, (), {"verdicts": ahead})
