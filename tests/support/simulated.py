"""Simulated models (`gateway.demo`) on a loop of their own, for tests that are not asynchronous themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.clock import SystemClock
from gateway.demo.behaviour import Behaviour, steady
from gateway.demo.model_server import ModelServer
from gateway.demo.simulated import SimulatedModel
from tests.support.loops import ThreadLoop

QUICK = Behaviour(first_token=0.002, token=0.0005)
OVER_REFUSING = Behaviour(first_token=0.002, token=0.0005, over_refusing=0.6)
UNHURRIED = Behaviour(first_token=0.05, token=0.004)
"""An answer takes a tenth of a second: under load some are always under way."""
SLOW = Behaviour(first_token=0.01, token=0.2)
"""An answer of a dozen words takes two to three seconds."""


@contextmanager
def simulated(*names: str, behaviour: Behaviour = QUICK) -> Iterator[list[ModelServer]]:
    """One server for each name."""
    loop = ThreadLoop("simulated")
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
