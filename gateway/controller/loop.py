"""The controller's own thread: verdicts into the index and the rollouts, what was not published, old rows out."""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from gateway.controller.folder_watch import FolderWatch
from gateway.patience import Patience
from gateway.ports import Clock

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 0.25
_CHORES_SECONDS = 1.0
_PURGE_SECONDS = 3600.0
_DAY_US = 86_400_000_000


class Aging(Protocol):
    """What is kept for so long and no longer."""

    def purge(self, before_us: int) -> int:
        """Forget some of what is from before then; returns how many it forgot."""


class Apart:
    """A chore whose failure holds up no other: it is tried again by itself. For what only pages show."""

    def __init__(self, work: str, chore: Callable[[], object], clock: Clock) -> None:
        self._chore = chore
        self._patience = Patience(work, clock)

    def __call__(self) -> None:
        """Do it, when it is due."""
        if self._patience.due:
            with self._patience.trying():
                self._chore()


class ControllerLoop:
    """`start` runs it in a thread, `close` ends that. `on_death` hears what it died of, from that thread.

    Each turn takes all `steps`, which say how much there was to do; `chores` are due about once a second. What ages
    goes after `kept_days`, but not what came after `open_since`: an open rollout rests on it.
    """

    def __init__(
        self,
        steps: Sequence[Callable[[], int]],
        chores: Sequence[Callable[[], object]],
        aging: Sequence[Aging],
        *,
        kept_days: float = 400.0,
        open_since: Callable[[], int] = lambda: sys.maxsize,
        folder: FolderWatch,
        clock: Clock,
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._steps = steps
        self._duties = chores
        self._aging = aging
        self._kept_us = round(kept_days * _DAY_US)
        self._open_since = open_since
        self._folder = folder
        self._clock = clock
        self._reading = Patience("taking verdicts in", clock)
        self._upkeep = Patience("upkeep", clock)
        self._on_death = on_death
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controller-loop", daemon=True)
        self._chores_at = self._purge_at = float("-inf")

    @property
    def alive(self) -> bool:
        """False before `start`, after `close`, and once it died."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def close(self, grace: float = 10.0) -> None:
        """End after the turn in hand, waiting at most `grace` seconds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(grace)

    def turn(self) -> int:
        """What is due now; returns how much came in."""
        taken = 0
        if self._reading.due:
            with self._reading.trying():
                self._folder.check()
                taken = sum(step() for step in self._steps)
        now = self._clock.monotonic()
        if now >= self._chores_at and self._upkeep.due:
            self._chores_at = now + _CHORES_SECONDS
            with self._upkeep.trying():
                self._folder.check()
                self._chores(now)
        return taken

    def _chores(self, now: float) -> None:
        for duty in self._duties:
            duty()
        before_us = min(self._clock.now_us() - self._kept_us, self._open_since())
        if now >= self._purge_at and not sum(each.purge(before_us) for each in self._aging):
            self._purge_at = now + _PURGE_SECONDS

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.turn():
                    self._stop.wait(_IDLE_SECONDS)
        except BaseException as error:  # a thread's end: whoever listens to `on_death` ends the process
            log.exception("the controller's loop died")
            self._on_death(error)
