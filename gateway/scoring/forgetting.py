"""The scorer's part of forgetting a person: texts go, verdicts become a pseudonym's. See gateway.forgetting."""

from gateway.events.rewrite import SegmentBusy
from gateway.events.schema import Event, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder, Request
from gateway.ports import LogFull
from gateway.scoring.texts import KeptTexts, TextsUnwritable


class VerdictForgetting:
    """`step` does a piece of it, one segment of verdicts at most, and tries again later what did not go."""

    def __init__(self, folder: ForgettingFolder, events: SqliteEventLog, texts: KeptTexts) -> None:
        self._folder = folder
        self._events = events
        self._texts = texts
        self._left: dict[str, list[int]] = {}
        """By request: the segments that are still to be gone through; none yet for one that has not begun."""

    def step(self) -> None:
        """What is due. Never raises for what may pass."""
        self._folder.each_left(self._events.producer, self._go_on, (LogFull, TextsUnwritable, SegmentBusy))

    def _go_on(self, request: Request) -> None:
        left = self._left.get(request.name)
        if left is None:
            self._texts.forget(self._folder.exchanges(request))
            self._events.roll("verdicts")
            left = self._left[request.name] = self._events.closed("verdicts")
        if left:
            self._rewrite(request, left[-1])
            left.pop()
        else:
            self._folder.did(request, self._events.producer)
            del self._left[request.name]

    def _rewrite(self, request: Request, first: int) -> None:
        def changed(event: Event) -> Event:
            return request.renamed(event) if isinstance(event, VerdictV1) else event

        if first in self._events.closed("verdicts"):  # else it has had its time meanwhile
            self._events.rewrite("verdicts", first, list(request.renames), changed)
