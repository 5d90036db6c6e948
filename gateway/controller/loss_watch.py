"""Which losses are news: the counters of what was lost never fall, so somebody has to remember when they grew."""

import threading

from gateway.controller.headline import LATELY_US, Lost
from gateway.ports import Clock
from gateway.telemetry.exposition import Children


class LossWatch:
    """Safe to call from any thread. What was lost before the first look is of the past."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], int] | None = None
        self._lost: list[Lost] = []

    def look(self, dropped: Children) -> None:
        """`dropped`: what tipstaff_events_dropped_total says, by stream and reason."""
        counts = {(stream, why): int(values[0]) for (stream, why), values in dropped.items()}
        now = self._clock.now_us()
        with self._lock:
            known = counts if self._known is None else self._known
            grown = {key: count - known.get(key, 0) for key, count in counts.items()}
            self._lost += [Lost(stream, why, more, now) for (stream, why), more in grown.items() if more > 0]
            self._lost = [each for each in self._lost if now - each.time_us <= LATELY_US]
            self._known = counts

    def lately(self) -> list[Lost]:
        """Of the last day, by stream and reason."""
        joined: dict[tuple[str, str], Lost] = {}
        with self._lock:
            for each in self._lost:
                key = each.stream, each.reason
                count = joined[key].count if key in joined else 0
                joined[key] = Lost(*key, count + each.count, each.time_us)
        return list(joined.values())

    def total(self) -> int:
        """All that was ever lost."""
        with self._lock:
            return sum((self._known or {}).values())
