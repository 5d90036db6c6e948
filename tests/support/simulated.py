"""Simulated models (`gateway.demo`) on a loop of their own, for tests that are not asynchronous themselves."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.clock import SystemClock
from gateway.demo.behaviour import Behaviour, steady
from gateway.demo.model_server import ModelServer
from gateway.demo.simulated import SimulatedModel

QUICK = Behaviour(first_token=0.002, token=0.0005)
OVER_REFUSING = Behaviour(first_token=0.002, token=0.0005, over_refusing=0.6)
UNHURRIED = Behaviour(first_token=0.05, token=0.004)
"""An answer takes a tenth of a second: under load some are always under way."""
SLOW = Behaviour(first_token=0.01, token=0.2)
"""An answer of a dozen words takes two to three seconds."""


class _Loop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@contextmanager
def simulated(*names: str, behaviour: Behaviour = QUICK) -> Iterator[list[ModelServer]]:
    """One server for each name."""
    loop = _Loop()
    servers = [
        ModelServer(SimulatedModel(name, number), steady(behaviour), SystemClock())
        for number, name in enumerate(names)
    ]
    try:
        for server in servers:
            loop.run(server.start())
        yield servers
    finally:
        for server in servers:
            loop.run(server.close())
        loop.close()
