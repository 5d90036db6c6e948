"""What takes long and holds up this process: done for one person at a time, and nobody waits for their turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Busy(Exception):
    """It is being done for somebody else already."""


class OneAtATime:
    """From any thread. `busy`: what the others are told."""

    def __init__(self, busy: str) -> None:
        self._busy = busy
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises Busy, at once."""
        if not self._lock.acquire(blocking=False):
            raise Busy(self._busy)
        try:
            yield
        finally:
            self._lock.release()
