"""Follows a stream of a data folder: only reads, so it needs no controller and disturbs nobody."""

import heapq
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from gateway.clock import SystemClock
from gateway.commands.words import moment
from gateway.datafolder import refuse_another_format
from gateway.events.codec import to_json
from gateway.events.folder import ProducerFolder, producers
from gateway.events.schema import AuditV1, DecisionV1, Event, ExchangeV1, FeedbackV1, Stream, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.events.tip import published_end
from gateway.layout import DataFolder
from gateway.ports import Entry
from gateway.processlock import DataFolderError

LOOK_BACK: Final = 10_000
"""Events of each process that are looked through for the last ones that fit."""
_BATCH = 1000
_POLL_SECONDS = 0.2
_MEANT: Final[dict[str, tuple[Stream, ...]]] = {
    "model": ("verdicts", "exchanges", "decisions"),
    "arm": ("verdicts", "exchanges"),
    "principle": ("verdicts",),
    "violations": ("verdicts",),
    "exchange": ("verdicts", "exchanges", "feedback"),
}
"""Filter -> the streams that know of such a thing."""


class Wanted(msgspec.Struct, frozen=True):
    """What an event must be to be shown; empty: does not matter. `arm`: the one that answered."""

    model: str = ""
    arm: str = ""
    principle: str = ""
    violations: bool = False
    exchange: str = ""

    def refuse_misfits(self, stream: Stream) -> None:
        """Raises ValueError for a filter that means nothing in this stream."""
        for name, streams in _MEANT.items():
            if getattr(self, name) and stream not in streams:
                raise ValueError(f"--{name} means nothing in {stream}: it is for {', '.join(streams)}")

    @property
    def everything(self) -> bool:
        """Whether all events fit."""
        return self == Wanted()

    def fits(self, event: Event) -> bool:
        """Whether it is to be shown."""
        return (
            self.model in ("", getattr(event, "model", ""))
            and self.arm in ("", _arm(event))
            and self.exchange in ("", _exchange(event))
            and (not (self.principle or self.violations) or self._violates(event))
        )

    def _violates(self, event: Event) -> bool:
        if not isinstance(event, VerdictV1):
            return False
        return any(self.principle in ("", found.principle) for found in event.verdict.violations)


def _arm(event: Event) -> str:
    return event.assignment.served if isinstance(event, ExchangeV1 | VerdictV1) else ""


def _exchange(event: Event) -> str:
    return event.id if isinstance(event, ExchangeV1) else str(getattr(event, "exchange_id", ""))


class Tail:
    """One stream of one data folder. Raises DataFolderError for a folder that is none of ours."""

    def __init__(self, folder: Path, stream: Stream, wanted: Wanted) -> None:
        wanted.refuse_misfits(stream)
        data = DataFolder(folder)
        try:
            refuse_another_format(data)
        except OSError as error:
            raise DataFolderError(f"no data folder at {folder} ({error.strerror}): name it with --data") from error
        self._root = data.log
        self._stream = stream
        self._wanted = wanted
        self._positions: dict[str, int] = {}

    def last(self, count: int) -> list[Entry]:
        """The last `count` that fit, in canonical order; what follows them is what `follow` begins with."""
        back = count if self._wanted.everything or not count else max(count, LOOK_BACK)
        self._positions = {name: max(self._end(name) - back, 0) for name in producers(self._root, self._stream)}
        # No more than those are held: a raw record may be large.
        return heapq.nlargest(count, self._read(), key=lambda each: (each.time_us, each.producer, each.sequence))[
            ::-1
        ]

    def follow(self, stop: threading.Event) -> Iterator[Entry]:
        """What comes, as it comes, until `stop` is set."""
        while not stop.is_set():
            empty = True
            for entry in self._read():
                empty = False
                yield entry
            if empty:
                stop.wait(_POLL_SECONDS)

    def _end(self, producer: str) -> int:
        return published_end(ProducerFolder(self._root, self._stream, producer).tip)

    def _read(self) -> Iterator[Entry]:
        """What fits of all that there is by now."""
        with closing(SqliteEventLog(self._root, None, SystemClock())) as log:
            while True:
                known = self._positions
                batch = log.read(self._stream, known, _BATCH)
                self._positions = batch.positions
                yield from (entry for entry in batch.entries if self._wanted.fits(entry.event))
                if batch.positions == known:  # a batch may be empty and yet lead past what is lost
                    return


def _place(entry: Entry) -> tuple[int, str, int]:
    return entry.time_us, entry.producer, entry.sequence


def json_line(entry: Entry) -> str:
    """As others get it. A raw record goes without its text: nobody would have it on record who looked."""
    event = entry.event
    if isinstance(event, ExchangeV1):
        request, response = (msgspec.structs.replace(each, kept=None) for each in (event.request, event.response))
        event = msgspec.structs.replace(event, request=request, response=response)
    return to_json(event).decode()


def line(entry: Entry) -> str:
    """For people: one line, and nothing in it that a terminal obeys."""
    event = entry.event
    said = "".join(char if char.isprintable() else "\ufffd" for char in _SAID[type(event)](event))
    return f"{moment(entry.time_us):%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {said}"


def _verdict(event: VerdictV1) -> str:
    found = event.verdict
    violated = ", ".join(f"{each.principle} ({each.severity})" for each in found.violations)
    said = f"violates {violated}" if violated else ""
    if found.not_evaluated is not None:
        said = f"not evaluated: {found.not_evaluated}"
    refused = "refused, although harmless" if found.over_refusal else "refused" if found.refusal else ""
    provoked = f"provoked: {', '.join(found.provocations)}" if found.provocations else ""
    told = "; ".join(part for part in (said, refused, provoked) if part) or "no violation found"
    return f"{_where(event)}  {event.exchange_id}  {told}"


def _exchange_line(event: ExchangeV1) -> str:
    sizes = f"{event.request.size} bytes in, {event.response.size} out"
    streamed = ", streamed" if event.streamed else ""
    return f"{_where(event)}  {event.id}  {event.status} {event.reason}, {sizes}{streamed}"


def _where(event: ExchangeV1 | VerdictV1) -> str:
    return f"{event.model:<12} {event.assignment.served:<8}"


def _decision(event: DecisionV1) -> str:
    return f"{event.model:<12} {event.kind:<8}  {event.actor or event.decided_by}: {event.reason}"


def _feedback(event: FeedbackV1) -> str:
    return f"{event.exchange_id}  {event.metric} = {event.value:g}"


def _audit(event: AuditV1) -> str:
    return f"{event.actor or '-':<12} {event.action:<14} {event.subject}: {event.outcome}"


_SAID: Final[dict[type, Callable[..., str]]] = {
    VerdictV1: _verdict,
    ExchangeV1: _exchange_line,
    DecisionV1: _decision,
    FeedbackV1: _feedback,
    AuditV1: _audit,
}
