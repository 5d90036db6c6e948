"""Where a producer's stream ends: three numbers in shared memory, so that idle ticks and polls cost no disk."""

import fcntl
import mmap
import os
from pathlib import Path
from typing import Self

_BYTES = 64
_END, _WATERMARK, _FORWARDED = 0, 1, 2


class ProducerTaken(Exception):
    """Another process writes under this producer name: two writers would corrupt each other's sequence."""


class Tip:
    """`end`: how many events were ever appended. `watermark`: every later event has a later canonical time.

    `forwarded`: every later event speaks of something later than this (0: unknown), where events speak of others.

    A writer stores `end` before the two others; a reader loads these before `end`: so neither ever covers an event
    that the end does not show. Each is one aligned 8-byte store, which survives kill -9 but
    may be lost with the power: the log itself then tells, and the tip is mended from it.
    """

    def __init__(self, mapping: mmap.mmap, lock: int | None) -> None:
        self._mapping = mapping
        self._lock = lock
        self._view = memoryview(mapping)
        self._numbers = self._view.cast("q")

    @classmethod
    def write(cls, path: Path) -> Self:
        """Open or make it, as its only writer. Raises ProducerTaken, OSError when the disk is full."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (size := os.fstat(descriptor).st_size) < _BYTES:
                # Real bytes, not a hole: a store into a hole of a full disk would be a bus error.
                os.pwrite(descriptor, bytes(_BYTES - size), size)
            return cls(mmap.mmap(descriptor, _BYTES), descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ProducerTaken(
                f"{path.parent} is written by another process: give this one its own name"
            ) from error
        except OSError:
            os.close(descriptor)
            raise

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Open it to read; None while its writer has not made it."""
        try:
            with path.open("rb") as file:
                return cls(mmap.mmap(file.fileno(), _BYTES, access=mmap.ACCESS_READ), None)
        except (FileNotFoundError, ValueError):  # ValueError: it is shorter yet
            return None

    @property
    def end(self) -> int:
        """The sequence that the next event will have."""
        return self._numbers[_END]

    @property
    def watermark(self) -> int:
        """Microseconds since the epoch; 0 before the first tick or event."""
        return self._numbers[_WATERMARK]

    @property
    def forwarded(self) -> int:
        """Microseconds since the epoch; 0 before the first one."""
        return self._numbers[_FORWARDED]

    def forward(self, time_us: int) -> None:
        """After the events that it covers; it never goes back."""
        self._numbers[_FORWARDED] = max(time_us, self._numbers[_FORWARDED])

    def set(self, end: int, watermark: int) -> None:
        """After the commit, never before."""
        self._numbers[_END] = end
        self._numbers[_WATERMARK] = watermark

    def close(self) -> None:
        """Unmap, and let another writer in."""
        if self._mapping.closed:
            return
        self._numbers.release()
        self._view.release()
        self._mapping.close()
        if self._lock is not None:
            os.close(self._lock)


def published_end(path: Path) -> int:
    """How many events the tip at `path` shows; 0 while its writer has not made it."""
    tip = Tip.read(path)
    if tip is None:
        return 0
    end = tip.end
    tip.close()
    return end
