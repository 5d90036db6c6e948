"""What every exchange of one process shares. Filled in once, by the data plane."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gateway.core.clientkeys import ClientKeys
from gateway.core.envelope import EnvelopeReader
from gateway.events.schema import ExchangeV1
from gateway.ports import Clock
from gateway.proxy.budget import Budget
from gateway.proxy.expiry import Expiry
from gateway.proxy.http1 import HeaderLines
from gateway.proxy.ids import Ids
from gateway.proxy.instruments import Instruments
from gateway.proxy.models import ModelList
from gateway.proxy.pins import Pins
from gateway.proxy.steering import Steering
from gateway.proxy.upstream import Pool
from gateway.settings import Deadlines, Limits
from gateway.tasks import Tasks

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.server import ClientConnection

LINGER_SECONDS = 2.0
_COARSEST = 0.25
_FINEST = 0.01


class Records(Protocol):
    """Where finished exchanges go: `gateway.proxy.recorder.Recorder`."""

    def accepts(self) -> bool:
        """False when new traffic must be refused because it could not be recorded."""

    def started(self) -> None:
        """An exchange that will be recorded has begun."""

    def record(self, exchange: ExchangeV1) -> None:
        """Take a finished exchange; never waits."""


class Services:
    """Collaborators, bounds and the sets that the sweep looks at."""

    def __init__(  # noqa: PLR0913 - one argument for each collaborator
        self,
        *,
        clock: Clock,
        deadlines: Deadlines,
        limits: Limits,
        expose_arm: bool,
        steering: Steering,
        envelopes: EnvelopeReader,
        recorder: Records,
        keeps_text: frozenset[str],
        pins: Pins,
        models: ModelList,
        instruments: Instruments,
        tasks: Tasks,
        ready: Callable[[], bool],
        keys: ClientKeys | None,
    ) -> None:
        self.clock = clock
        self.interval = interval = sweep_interval(deadlines)
        """Seconds between sweeps."""
        self.deadlines = deadlines
        self.limits = limits
        self.expose_arm = expose_arm
        self.steering = steering
        self.envelopes = envelopes
        self.recorder = recorder
        self.keeps_text = keeps_text
        """The models whose records may hold text."""
        self.record_bytes = limits.record_bytes
        self.pins = pins
        self.models = models
        self.instruments = instruments
        self.tasks = tasks
        self.ready = ready
        self.keys = keys
        """Those that clients need; None: none is asked for."""
        self.draining = False
        self.emptied = asyncio.Event()
        """Set when, in a drain, the last client connection has ended."""
        self.ids = Ids()
        self.request_lines = HeaderLines.of_requests()
        self.answer_lines = HeaderLines.of_answers()
        self.now = now = clock.monotonic()
        """Monotonic seconds as of the last sweep: fine enough for what may be idle for long, and free to read."""
        self.pool = Pool(interval, now)
        self.buffered = Budget(limits.buffered_bytes)
        self.exchanges: set[Exchange] = set()
        self.connections: set[ClientConnection] = set()
        self.heads: Expiry[ClientConnection] = Expiry(deadlines.header, interval, now)
        self.bodies: Expiry[ClientConnection] = Expiry(deadlines.idle, interval, now)
        self.lingering: Expiry[ClientConnection] = Expiry(LINGER_SECONDS, interval, now)
        self.deaf: set[ClientConnection] = set()
        """Connections whose reading is paused: only a look at the socket tells that their client has gone."""


def sweep_interval(deadlines: Deadlines) -> float:
    """Seconds: a quarter of the shortest deadline, within [0.01, 0.25]."""
    shortest = min(deadlines.header, deadlines.first_byte, deadlines.idle, deadlines.total, deadlines.keep_alive)
    return min(_COARSEST, max(shortest / 4, _FINEST))
