"""Trying again what may heal by itself, ever more seldom, without a line in the log each time."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from gateway.ports import Clock, LogFull

log = structlog.get_logger(__name__)

_SHORTEST, _LONGEST = 0.25, 10.0
_TOLD_EVERY = 60.0
_STORAGE = (OSError, sqlite3.Error, LogFull)


class Patience:
    """With one kind of work. It is due again 0.25 s after a failure, then after twice that, up to 10 s.

    Told at the first failure, then at most once a minute, and when it works again. `passing`: what may heal besides
    storage.
    """

    def __init__(self, work: str, clock: Clock, passing: tuple[type[Exception], ...] = ()) -> None:
        self._work = work
        self._clock = clock
        self._passing: tuple[type[Exception], ...] = (*_STORAGE, *passing)
        self._pause = 0.0
        self._due_at = self._told_at = float("-inf")

    @property
    def due(self) -> bool:
        """Whether to try now."""
        return self._clock.monotonic() >= self._due_at

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Around one try: a full disk, a lock held too long and the like are noted here and go no further."""
        try:
            yield
        except self._passing as error:
            self._failed(error)
        else:
            self._worked()

    def _failed(self, error: Exception) -> None:
        now = self._clock.monotonic()
        self._pause = min(max(2 * self._pause, _SHORTEST), _LONGEST)
        self._due_at = now + self._pause
        if now - self._told_at >= _TOLD_EVERY:
            self._told_at = now
            log.error("failed, trying again", work=self._work, error=str(error))

    def _worked(self) -> None:
        if self._pause:
            log.info("works again", work=self._work)
        self._pause = 0.0
        self._told_at = float("-inf")
