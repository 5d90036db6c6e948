"""started = produced + dropped + what is still on its way: the account of one stream's events, over restarts.

The numbers live in the process's counter file. The log says what was really produced; after a crash the two are
brought together (`correction`), and what was on its way is booked as dropped.
"""

from typing import TYPE_CHECKING, NamedTuple

from gateway.events.schema import Stream
from gateway.telemetry.metrics import DROPPED, PRODUCED, STARTED, Meters

if TYPE_CHECKING:
    from gateway.telemetry.counterfile import Counter

QUEUE_FULL = "queue_full"
DISK_FULL = "disk_full"
LOG_FAILED = "log_failed"
SHUTDOWN = "shutdown"
CRASH = "crash"
LOG_LOST = "log_lost"
REASONS = (QUEUE_FULL, DISK_FULL, LOG_FAILED, SHUTDOWN, CRASH, LOG_LOST)


class Correction(NamedTuple):
    """What to add to each number. `crash`: was on its way. `log_lost`: was in a log that is gone."""

    started: int
    produced: int
    crash: int
    log_lost: int


def correction(*, started: int, produced: int, dropped: int, appended: int) -> Correction:
    """What makes started = produced + dropped and produced = appended, at a time when nothing is on its way.

    `appended`: what the log holds or ever held. A log that holds more than was counted is believed (the process
    died between commit and count, or the counters were lost); one that holds less has lost events.
    """
    known = max(appended, produced)
    return Correction(
        started=max(0, known + dropped - started),
        produced=appended - produced,
        crash=max(0, started - dropped - known),
        log_lost=max(0, produced - appended),
    )


class Ledger:
    """The counters of one stream. Each is moved by one thread only: see who calls what in `recorder`."""

    def __init__(self, meters: Meters, stream: Stream) -> None:
        self.started: Counter = meters.counter(STARTED, stream)
        self.produced: Counter = meters.counter(PRODUCED, stream)
        self.dropped: dict[str, Counter] = {reason: meters.counter(DROPPED, stream, reason) for reason in REASONS}

    @property
    def total_dropped(self) -> int:
        """Dropped for any reason."""
        return int(sum(counter.value for counter in self.dropped.values()))

    @property
    def on_its_way(self) -> int:
        """Started, and neither produced nor dropped."""
        return int(self.started.value - self.produced.value) - self.total_dropped

    def reconcile(self, appended: int) -> Correction:
        """Bring the numbers of an earlier run together with the log; call it before anything is started."""
        needed = correction(
            started=int(self.started.value),
            produced=int(self.produced.value),
            dropped=self.total_dropped,
            appended=appended,
        )
        self.started.inc(needed.started)
        self.produced.inc(needed.produced)  # falls only with a log that is gone, as a scrape of a new process would
        self.dropped[CRASH].inc(needed.crash)
        self.dropped[LOG_LOST].inc(needed.log_lost)
        return needed
