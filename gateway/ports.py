"""The seams: every part that has, or will have, more than one implementation. app.py fills them in."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from classifiers.exchange import Exchange
from classifiers.verdict import Verdict
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1, Event, Stream

Positions = Mapping[str, int]
"""Producer -> how many of its events have been read: the sequence of the next one. Absent means 0."""


class Clock(Protocol):
    """Where time comes from."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""


class Entry(msgspec.Struct, frozen=True):
    """One event in a log: `time_us` is canonical, strictly growing per producer; sequences start at 0."""

    producer: str
    sequence: int
    time_us: int
    event: Event


class Batch(msgspec.Struct, frozen=True):
    """What one read returned: entries in order per producer, where to read on, and how far time is known.

    `positions` names every producer that there is. `watermarks`: producer -> microseconds; every later entry of
    that producer has a later canonical time. `forwarded`: producer -> microseconds; every later entry of that
    producer speaks of an event of another stream with a later canonical time; only where it was read to its end.
    """

    entries: tuple[Entry, ...]
    positions: dict[str, int]
    watermarks: dict[str, int]
    forwarded: dict[str, int] = {}


class LogFull(Exception):
    """The log cannot take more: the disk is full or its byte bound is reached. Nothing was appended."""


class EventLog(Protocol):
    """Streams of events on durable storage. One object per process, one writer per producer name.

    Blocking: call it from a thread where a loop must not wait. Every implementation passes
    `tests.contract.event_log.EventLogContract`.
    """

    producer: str

    def append(
        self,
        stream: Stream,
        events: Sequence[Event],
        consumed: Mapping[Stream, Positions] | None = None,
        forwarded: int = 0,
    ) -> tuple[int, ...]:
        """Append all of `events` and set what this process has consumed, in one atomic, durable step.

        `forwarded`: whatever this producer appends to the stream later speaks of events of other streams with a
        later canonical time than this, in microseconds; 0: nothing is known. It never goes back.
        Returns each event's canonical time in microseconds. Raises LogFull, having changed nothing.
        """

    def tick(self, stream: Stream, forwarded: int = 0) -> None:
        """Record "nothing before now is missing" for this producer's stream, durable or not."""

    def read(self, stream: Stream, after: Positions, limit: int) -> Batch:
        """At most `limit` entries that follow `after`, from all producers; an empty batch when there are none."""

    def appended(self, stream: Stream) -> int:
        """How many events this producer has ever appended to `stream`; survives restarts and purges."""

    def consumed(self, stream: Stream) -> dict[str, int]:
        """What this process last recorded as consumed from `stream`."""

    def close(self) -> None:
        """Flush and let go; a second call does nothing."""


class BrokersAway(Exception):
    """Nothing can be handed over, or fetched, just now. `kind`: one word for it, of few."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Sink(Protocol):
    """Where the events of one stream are relayed to. Blocking, for one thread."""

    def deliver(self, entries: Sequence[Entry]) -> dict[int, str]:
        """Hand all over, durably, those of one key in this order; index -> why, of those that can never be taken.

        Raises BrokersAway: then any of them may have been taken, and is to be handed over again.
        """

    def close(self) -> None:
        """Let go; a second call does nothing."""


class Classifier(Protocol):
    """Reads exchanges against one constitution. Every implementation passes the classifier contract."""

    constitution: str
    """Content hash of the constitution that verdicts are made under."""

    def classify(self, exchanges: Sequence[Exchange]) -> Sequence[Verdict]:
        """One verdict per exchange, in order. May raise: the caller then records "not evaluated, failed"."""


class Head(msgspec.Struct, frozen=True):
    """What a store is at: compare-and-swap runs on (epoch, version)."""

    store_id: str
    epoch: int
    version: int


class StaleHead(Exception):
    """Someone else moved the head first: read again before writing."""


class UnitChanges(msgspec.Struct, frozen=True):
    """What one step changes of a rollout's unit rows and of its queue of open periods.

    `rows`: 16-byte unit hash -> the encoded row that it has from now on.
    `pushed`: (number, unit) of periods that opened; numbers start at 1 and only grow.
    `popped`: queue items with numbers up to this one are gone, those of `pushed` included.
    """

    rows: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    pushed: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    popped: int = 0


class RolloutStep(msgspec.Struct, frozen=True):
    """What one rollout became: `state` replaces the one before, `inputs` are added to those it had.

    `ended`: its units are not needed any more: all rows and the whole queue are forgotten, at once for whoever
    reads; their room comes back by `forget_some`.
    """

    rollout: str
    model: str
    state: bytes
    ended: bool
    units: UnitChanges
    inputs: tuple[bytes, ...]


class StoredRollout(msgspec.Struct, frozen=True):
    """A rollout as it was saved last; `number` counts the store's rollouts from 1."""

    rollout: str
    model: str
    state: bytes
    ended: bool
    number: int


class StateStore(Protocol):
    """The controller's state. Each call is one transaction. Passes `StateStoreContract`."""

    def head(self) -> Head:
        """Where the store is now."""

    def table(self) -> RoutingTable | None:
        """The last routing table saved; None in a new store."""

    def save(
        self,
        expected: Head,
        table: RoutingTable,
        decisions: Sequence[DecisionV1],
        positions: Positions | None = None,
        steps: Sequence[RolloutStep] = (),
    ) -> Head:
        """Save table, decisions (into the outbox), verdict positions and steps, and move the head, or StaleHead.

        `table` is the stored one, or carries the version that the head moves to. The store sets each decision's
        `previous`. Steps are taken in order; a rollout is made by its first. Raises ValueError for another table,
        a step of another model than its rollout's, or pushed numbers that do not grow. Whatever it raises,
        nothing has changed.
        """

    def positions(self) -> dict[str, int]:
        """The verdict positions saved last."""

    def decisions(self, after: int, limit: int) -> list[tuple[int, DecisionV1]]:
        """(number, decision), oldest first, with numbers above `after`."""

    def newest_decisions(self, before: int, limit: int) -> list[tuple[int, DecisionV1]]:
        """(number, decision), newest first, with numbers below `before`."""

    def rollouts(self) -> list[StoredRollout]:
        """All there ever were, oldest first, also those that ended."""

    def units(self, rollout: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        """The rows of those `wanted` that have one."""

    def queue(self, rollout: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` of its open periods with numbers above `after`: (number, unit), ascending."""

    def inputs(self, rollout: str) -> list[bytes]:
        """All inputs its steps had, oldest first; kept when it ended."""

    def forget_some(self, limit: int) -> int:
        """Give back the room of at most `limit` forgotten rows and queue items; returns of how many, 0: none left.

        Quick, so that a chore may call it between saves. Raises StaleHead when another opened the store since.
        """

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """The rows and open periods of `unit`, in every rollout that has any, also in what is forgotten but still
        there, become those of `to`, and so do inputs that speak of it. Raises StaleHead when another opened the
        store since.
        """

    def scrub(self) -> bool:
        """See to it that nothing of what was replaced or deleted can be read off the disk; False: not yet, ask
        again.

        Never waits.
        """

    def named(self, name: str) -> bytes | None:
        """The small value that was kept under this name last; None: there is none."""

    def keep(self, name: str, value: bytes) -> None:
        """Keep a small value under a name, instead of the one before.

        Raises StaleHead when another opened the store since.
        """

    def close(self) -> None:
        """Let go; a second call does nothing."""
