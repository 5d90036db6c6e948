"""Takes decisions from the store into the log, where everybody else finds them beside the other streams."""

from typing import Final

from gateway.events.counted import Ledger
from gateway.events.schema import Stream
from gateway.ports import EventLog, StateStore
from gateway.telemetry.metrics import Meters

_STREAM: Stream = "decisions"
_KEPT: Final = "decisions appended"
_BATCH = 500


class Outbox:
    """Each decision at least once, in order: twice where the controller died between the log and the store."""

    def __init__(self, store: StateStore, events: EventLog, meters: Meters) -> None:
        self._store = store
        self._events = events
        self._ledger = Ledger(meters, _STREAM)
        self._ledger.reconcile(events.appended(_STREAM))

    def step(self) -> None:
        """Append what is new; due about once a second. Raises LogFull, StaleHead, having kept its place."""
        found = self._store.decisions(int(self._store.named(_KEPT) or 0), _BATCH)
        if found:
            self._events.append(_STREAM, [decision for _, decision in found])
            self._ledger.started.inc(len(found))  # not before: what could not be appended is so later
            self._ledger.produced.inc(len(found))
            number, _ = found[-1]
            self._store.keep(_KEPT, str(number).encode())
        self._events.tick(_STREAM)
