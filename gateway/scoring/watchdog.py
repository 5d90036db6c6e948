"""Ends this process when a classifier does not come back; the supervisor then starts it again."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


class Watchdog:
    """Guards stretches of work with a deadline in seconds.

    A thread without the interpreter's lock waits (`faulthandler`), so also a regular expression or a library
    that never gives the lock back is ended. Where it hung is written to `report` first: function names and
    lines, no values.
    """

    def __init__(self, report: Path, deadline: float) -> None:
        report.parent.mkdir(parents=True, exist_ok=True)
        self.last_words = report.read_text(errors="replace") if report.exists() else ""
        """Where the process before this one hung; empty when it did not."""
        if self.last_words:
            log.error("the process before this one hung and was ended", where=self.last_words.splitlines())
        self._deadline = deadline
        self._report = report.open("w", encoding="utf-8")

    @contextmanager
    def guard(self) -> Iterator[None]:
        """The process ends with code 1 when the body takes longer than the deadline."""
        faulthandler.dump_traceback_later(self._deadline, exit=True, file=self._report)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._report.close()
