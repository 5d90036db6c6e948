"""What costs too much to be worked out for everybody who asks."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.ports import Clock

_Value = TypeVar("_Value")


class KeptFor(Generic[_Value]):
    """What `make` returned, for so many seconds, and as long as the key is the same. From any thread."""

    def __init__(self, seconds: float, clock: Clock, make: Callable[[], _Value]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._make = make
        self._lock = threading.Lock()
        self._kept: tuple[object, float, _Value] | None = None

    def get(self, key: object = None) -> _Value:
        """`key`: another one, and it is worked out anew. Raises what `make` does."""
        now = self._clock.monotonic()
        with self._lock:
            kept = self._kept
            if kept is None or kept[0] != key or now - kept[1] >= self._seconds:
                kept = self._kept = key, now, self._make()
            return kept[2]
