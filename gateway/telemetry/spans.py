"""Sends spans to an OTLP collector, and counts what becomes of them."""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import structlog
from opentelemetry.sdk.trace import ReadableSpan

from gateway.telemetry.metrics import SPANS_DROPPED, SPANS_EXPORTED, SPANS_STARTED, Meters

log = structlog.get_logger(__name__)

_MOST_WAITING = 4096
_TOGETHER = 256


class Exporter(Protocol):
    """Where spans go: `gateway.telemetry.otlp.OtlpExporter`."""

    def export(self, spans: Sequence[ReadableSpan]) -> int:
        """Blocks; how many of them were taken."""

    def shutdown(self) -> None:
        """Ends what is under way."""


class SpanSender:
    """Sends spans from a thread of its own; never waits for whoever makes them.

    What the collector does not take, and what finds the queue full, is dropped and counted: started = exported +
    dropped + waiting, also over kill -9 (what waited then is dropped as `crash` at the next start).
    """

    def __init__(self, exporter: Exporter, meters: Meters) -> None:
        self._exporter = exporter
        self._started = meters.counter(SPANS_STARTED)
        self._exported = meters.counter(SPANS_EXPORTED)
        self._dropped = {
            reason: meters.counter(SPANS_DROPPED, reason)
            for reason in ("queue_full", "not_taken", "crash", "shutdown")
        }
        self._waiting: deque[ReadableSpan] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        lost = self._started.value - self._exported.value - sum(each.value for each in self._dropped.values())
        self._dropped["crash"].inc(max(lost, 0.0))

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def offer(self, spans: Sequence[ReadableSpan]) -> None:
        """Take them; those for which there is no room are dropped, the newest first."""
        with self._changed:
            room = _MOST_WAITING - len(self._waiting)
            self._started.inc(len(spans))
            self._waiting.extend(spans[:room])
            self._dropped["queue_full"].inc(max(len(spans) - room, 0))
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Send what waits, for at most so long; the rest is dropped. A second call does nothing."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            self._dropped["shutdown"].inc(len(self._waiting))
            self._waiting.clear()
        self._exporter.shutdown()

    def _run(self) -> None:
        while spans := self._next():
            taken = self._export(spans)
            with self._changed:
                still = min(len(spans), len(self._waiting))  # none, where the end did not wait for the collector
                if still:
                    self._exported.inc(min(taken, still))
                    self._dropped["not_taken"].inc(max(still - taken, 0))
                for _ in range(still):
                    self._waiting.popleft()
            self._tell(taken=taken == len(spans))

    def _export(self, spans: Sequence[ReadableSpan]) -> int:
        try:
            return self._exporter.export(spans)
        except Exception:  # told here and counted as not taken; a thread that ended would drop all that comes later
            log.exception("spans could not be exported")
            return 0

    def _next(self) -> list[ReadableSpan]:
        """The oldest that wait; they stay there until it is known what became of them. None of them: it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            return list(islice(self._waiting, _TOGETHER))

    def _tell(self, *, taken: bool) -> None:
        if taken == self._failing:
            self._failing = not taken
            if taken:
                log.info("the collector takes spans again")
            else:
                log.warning("the collector does not take spans: they are dropped, and counted")
