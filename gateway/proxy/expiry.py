"""Deadlines without timers: one sweep looks at what waits longest."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Expiry(Generic[T]):
    """Things that may wait equally long. Waiting costs a dictionary entry; a sweep looks at the oldest only.

    Time is what the last sweep said (monotonic seconds), so that nobody reads a clock for it: a thing is due
    between `seconds` and `seconds` + the sweep's interval after it was added.
    """

    __slots__ = ("_now", "_seconds", "_since")

    def __init__(self, seconds: float, interval: float, now: float) -> None:
        self._seconds = seconds + interval
        self._since: dict[T, float] = {}
        self._now = now

    def __len__(self) -> int:
        return len(self._since)

    def wait_at_most(self, seconds: float, interval: float) -> None:
        """From now on they may wait that long, those too that wait already."""
        self._seconds = seconds + interval

    def add(self, thing: T) -> None:
        """`thing` waits from now on; its earlier wait is forgotten."""
        self._since.pop(thing, None)
        self._since[thing] = self._now

    def discard(self, thing: T) -> None:
        """`thing` waits no more, if it did."""
        self._since.pop(thing, None)

    def pop(self) -> T:
        """Remove and return what was added last. Raises KeyError when nothing waits."""
        return self._since.popitem()[0]

    def take_due(self, now: float) -> list[T]:
        """Remove and return what has waited too long, the oldest first."""
        self._now = now
        due = []
        for thing, since in self._since.items():
            if now - since < self._seconds:
                break
            due.append(thing)
        for thing in due:
            del self._since[thing]
        return due
