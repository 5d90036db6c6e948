"""The audit stream, as the controller writes and reads it: who looked at what, handed in what, and was refused."""

import heapq
import os
from collections.abc import Iterator
from threading import Lock
from typing import Literal

import msgspec

from gateway.core.ids import exchange_id
from gateway.events.counted import DISK_FULL, Ledger
from gateway.events.schema import AuditV1
from gateway.ports import Clock, EventLog, LogFull
from gateway.telemetry.metrics import Meters

Action = Literal[
    "text.read",
    "labels.sampled",
    "labels.added",
    "bundle.exported",
    "exchanges.exported",
    "constitution.tried",
    "config.loaded",
    "config.reload",
    "arm.forced",
    "unit.forgotten",
    "key.rotated",
    "sign_in.failed",
    "session.opened",
    "session.ended",
]
_PER_MINUTE = 60
"""Refused requests of strangers, and of the known, that are written one by one; of more only the number."""
_MINUTE = 60.0
_LONGEST = 200
_BATCH = 1000


class AuditFilter(msgspec.Struct, frozen=True):
    """What an entry must be to be listed; empty: does not matter. Times: since <= time < until, microseconds."""

    actor: str = ""
    action: str = ""
    since_us: int = 0
    until_us: int = 2**62


class AuditTrail:
    """`tell` has written when it returns, `note` writes with the next `step`. From any thread."""

    def __init__(self, events: EventLog, clock: Clock, meters: Meters) -> None:
        self._events = events
        self._clock = clock
        self._ledger = Ledger(meters, "audit")
        self._ledger.reconcile(events.appended("audit"))
        self._lock = Lock()
        self._writing = Lock()
        self._waiting: list[AuditV1] = []
        self._minute = float("-inf")
        self._noted = {False: 0, True: 0}

    def tell(self, actor: str, action: Action, subject: str, outcome: str = "done") -> None:
        """Raises LogFull: then whatever it was must not happen."""
        self._write([self._event(actor, action, subject, outcome)])

    def note(self, actor: str, action: Action, subject: str, outcome: str) -> None:
        """For what somebody else can cause at will: bounded, and never waits."""
        with self._lock:
            self._turn_minute()
            self._noted[bool(actor)] += 1
            if self._noted[bool(actor)] <= _PER_MINUTE:
                self._waiting.append(self._event(actor, action, subject, outcome))

    def step(self) -> None:
        """Write what was noted; due about once a second. Raises LogFull, having counted it as dropped."""
        with self._lock:
            self._turn_minute()
            written, self._waiting = self._waiting, []
        if written:
            self._write(written)

    def find(self, wanted: AuditFilter, limit: int, before: tuple[int, str] | None = None) -> list[AuditV1]:
        """The newest first, at most `limit`; `before`: time and id of the last that was shown."""
        fitting = (
            event for event in self._all() if _fits(event, wanted) and (before is None or _place(event) < before)
        )
        return heapq.nlargest(limit, fitting, key=_place)

    def _write(self, entries: list[AuditV1]) -> None:
        with self._writing:  # its counters are moved by one thread at a time
            self._ledger.started.inc(len(entries))
            try:
                self._events.append("audit", entries)
            except LogFull:
                self._ledger.dropped[DISK_FULL].inc(len(entries))
                raise
            self._ledger.produced.inc(len(entries))

    def _all(self) -> Iterator[AuditV1]:
        positions: dict[str, int] = {}
        while True:
            batch = self._events.read("audit", positions, _BATCH)
            yield from (entry.event for entry in batch.entries if isinstance(entry.event, AuditV1))
            if not batch.entries:
                return
            positions = batch.positions

    def _turn_minute(self) -> None:
        now = self._clock.monotonic()
        if now - self._minute < _MINUTE:
            return
        left_out = sum(max(noted - _PER_MINUTE, 0) for noted in self._noted.values())
        if left_out:
            self._waiting.append(self._event("", "sign_in.failed", f"{left_out} more requests", "not written"))
        self._minute, self._noted = now, {False: 0, True: 0}

    def _event(self, actor: str, action: Action, subject: str, outcome: str) -> AuditV1:
        now_us = self._clock.now_us()
        said = (actor, action, subject, outcome)
        return AuditV1(exchange_id(now_us, os.urandom(8)), now_us, *map(_plain, said))


def _plain(text: str) -> str:
    """What strangers can put into it must not look like another line, nor command a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:_LONGEST])


def _fits(event: AuditV1, wanted: AuditFilter) -> bool:
    return (
        wanted.actor in ("", event.actor)
        and wanted.action in ("", event.action)
        and wanted.since_us <= event.time_us < wanted.until_us
    )


def _place(event: AuditV1) -> tuple[int, str]:
    return event.time_us, event.id
