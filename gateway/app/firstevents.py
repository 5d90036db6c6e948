"""The first exchange and the first verdict of a run, told by `tipstaff serve` as they come."""

import asyncio
from collections.abc import Callable
from contextlib import closing

from gateway.events.folder import ProducerFolder, producers
from gateway.events.schema import Event, ExchangeV1, Stream, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.events.tip import published_end
from gateway.layout import DataFolder
from gateway.ports import Clock

_POLL_SECONDS = 0.25


class FirstEvents:
    """Looks for what is new in the log since this object was made."""

    def __init__(self, data: DataFolder, clock: Clock) -> None:
        self._data = data
        self._clock = clock
        self._from = {stream: self._ends(stream) for stream in _TOLD}

    async def tell(self, say: Callable[[str], None]) -> None:
        """One line for the first exchange and one for the first verdict; returns after both."""
        for stream, told in _TOLD.items():
            event = await self._first(stream)
            say(told(event))

    async def _first(self, stream: Stream) -> Event:
        while True:  # what other processes append gives no event to wait on
            event = await asyncio.to_thread(self._look, stream)
            if event is not None:
                return event
            await asyncio.sleep(_POLL_SECONDS)

    def _look(self, stream: Stream) -> Event | None:
        if self._ends(stream) == self._from[stream]:
            return None
        with closing(SqliteEventLog(self._data.log, None, self._clock)) as log:
            entries = log.read(stream, self._from[stream], 1).entries
        return entries[0].event if entries else None

    def _ends(self, stream: Stream) -> dict[str, int]:
        return {
            producer: published_end(ProducerFolder(self._data.log, stream, producer).tip)
            for producer in producers(self._data.log, stream)
        }


def _exchange(event: Event) -> str:
    assert isinstance(event, ExchangeV1)  # noqa: S101 - the stream's own type
    took = f"{event.timing.total_seconds:.2f} s"
    return (
        f"first exchange  {event.id}  {event.model} -> {event.assignment.served}  {event.status} in {took}"
        f"  (unit from {event.assignment.unit_source})"
    )


def _verdict(event: Event) -> str:
    assert isinstance(event, VerdictV1)  # noqa: S101 - the stream's own type
    found = event.verdict
    if found.not_evaluated is not None:
        return f"first verdict   {event.exchange_id}  not evaluated: {found.not_evaluated}"
    violated = ", ".join(finding.principle for finding in found.violations)
    return f"first verdict   {event.exchange_id}  {f'violates {violated}' if violated else 'no violation found'}"


_TOLD: dict[Stream, Callable[[Event], str]] = {"exchanges": _exchange, "verdicts": _verdict}
