"""Forgetting a person where verdicts are: they become a pseudonym's, and texts go. See gateway.forgetting."""

from collections.abc import Callable, Sequence

from gateway.events.rewrite import SegmentBusy
from gateway.events.schema import Event, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder, Request
from gateway.ports import LogFull
from gateway.scoring.texts import TextsUnwritable


class VerdictForgetting:
    """`step` does a piece of it, one segment of verdicts at most, and tries again later what did not go.

    `process`: whose part it is. `logs`: the ends of the log that it writes. `forget_texts`: of exchanges, by id.
    """

    def __init__(
        self,
        folder: ForgettingFolder,
        process: str,
        logs: Callable[[], Sequence[SqliteEventLog]],
        forget_texts: Callable[[list[str]], object] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._process = process
        self._logs = logs
        self._forget_texts = forget_texts
        self._left: dict[str, list[tuple[SqliteEventLog, int]]] = {}
        """By request: the segments that are still to be gone through; none yet for one that has not begun."""

    def step(self) -> None:
        """What is due. Never raises for what may pass."""
        self._folder.each_left(self._process, self._go_on, (LogFull, TextsUnwritable, SegmentBusy))

    def _go_on(self, request: Request) -> None:
        left = self._left.get(request.name)
        if left is None:
            self._forget_texts(self._folder.exchanges(request))
            logs = [each for each in self._logs() if "verdicts" in each.streams]
            for events in logs:
                events.roll("verdicts")
            left = [(events, first) for events in logs for first in events.closed("verdicts")]
            self._left[request.name] = left
        if left:
            self._rewrite(request, *left[-1])
            left.pop()
        else:
            self._folder.did(request, self._process)
            del self._left[request.name]

    def _rewrite(self, request: Request, events: SqliteEventLog, first: int) -> None:
        def changed(event: Event) -> Event:
            return request.renamed(event) if isinstance(event, VerdictV1) else event

        if first in events.closed("verdicts"):  # else it has had its time meanwhile
            events.rewrite("verdicts", first, list(request.renames), changed)
