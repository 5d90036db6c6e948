"""A proxy's part of forgetting a person: raw records go as soon as they are scored. See gateway.forgetting."""

import asyncio

from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder, Request
from gateway.ports import LogFull

LOOK_SECONDS = 0.5


class SpoolForgetting:
    """Closes the raw records in hand for each request, and says when they have gone."""

    def __init__(self, folder: ForgettingFolder, events: SqliteEventLog) -> None:
        self._folder = folder
        self._events = events
        self._ends: dict[str, int] = {}
        """By request: the sequence after what it is about."""

    async def run(self) -> None:
        """Look for ever, every LOOK_SECONDS."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._folder.used():
                await asyncio.to_thread(self.step)

    def step(self) -> None:
        """What is due. Never raises for what may pass."""
        self._folder.each_left(self._events.producer, self._go_on, (LogFull,))

    def _go_on(self, request: Request) -> None:
        end = self._ends.get(request.name)
        if end is None:
            end = self._ends[request.name] = self._events.roll("exchanges")
        if all(first >= end for first in self._events.closed("exchanges")):
            self._folder.did(request, self._events.producer)
            del self._ends[request.name]
