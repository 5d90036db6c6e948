"""Deadlines without timers: one sweep looks at what waits longest."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Expiry(Generic[T]):
    """Things that may wait equally long. Waiting costs a dictionary entry; a sweep looks at the oldest only."""

    __slots__ = ("_seconds", "_since")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def add(self, thing: T, now: float) -> None:
        """`thing` waits from `now` (monotonic seconds) on; its earlier wait is forgotten."""
        self._since.pop(thing, None)
        self._since[thing] = now

    def discard(self, thing: T) -> None:
        """`thing` waits no more, if it did."""
        self._since.pop(thing, None)

    def take_due(self, now: float) -> list[T]:
        """Remove and return what has waited too long, the oldest first."""
        due = []
        for thing, since in self._since.items():
            if now - since < self._seconds:
                break
            due.append(thing)
        for thing in due:
            del self._since[thing]
        return due
