"""What every exchange of one process shares. Filled in by the data plane, and again for another configuration."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from gateway.core.clientkeys import ClientKeys
from gateway.core.envelope import EnvelopeReader
from gateway.core.tracecontext import Sampler
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
from gateway.settings import Deadlines, Limits, Model, Settings
from gateway.tasks import Tasks

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.server import ClientConnection

LINGER_SECONDS = 2.0
_COARSEST = 0.5
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

    deadlines: Deadlines
    limits: Limits
    interval: float
    """Seconds between sweeps."""
    expose_arm: bool
    record_bytes: int
    keeps_text: frozenset[str]
    """The models whose records may hold text."""
    envelopes: EnvelopeReader
    steering: Steering
    models: ModelList
    keys: ClientKeys | None
    """Those that clients need; None: none is asked for."""
    sampler: Sampler | None
    """What gives exchanges a place in a trace; None: no traces are made."""

    def __init__(  # noqa: PLR0913 - one argument for each collaborator
        self,
        settings: Settings,
        *,
        clock: Clock,
        steering: Steering,
        recorder: Records,
        pins: Pins,
        models: ModelList,
        instruments: Instruments,
        tasks: Tasks,
        ready: Callable[[], bool],
        keys: ClientKeys | None,
    ) -> None:
        self.clock = clock
        self.recorder = recorder
        self.pins = pins
        self.instruments = instruments
        self.tasks = tasks
        self.ready = ready
        self.draining = False
        self.emptied = asyncio.Event()
        """Set when, in a drain, the last client connection has ended."""
        self.ids = Ids()
        self.request_lines = HeaderLines.of_requests()
        self.answer_lines = HeaderLines.of_answers()
        self.now = now = clock.monotonic()
        """Monotonic seconds as of the last sweep: fine enough for what may be idle for long, and free to read."""
        interval = sweep_interval(settings.deadlines)
        self.pool = Pool(interval, now)
        self.buffered = Budget(settings.limits.buffered_bytes)
        self.exchanges: set[Exchange] = set()
        self.connections: set[ClientConnection] = set()
        self.heads: Expiry[ClientConnection] = Expiry(settings.deadlines.header, interval, now)
        self.bodies: Expiry[ClientConnection] = Expiry(settings.deadlines.idle, interval, now)
        self.lingering: Expiry[ClientConnection] = Expiry(LINGER_SECONDS, interval, now)
        self.deaf: set[ClientConnection] = set()
        """Connections whose reading is paused: only a look at the socket tells that their client has gone."""
        self.deafened = asyncio.Event()
        """Set while there are any."""
        self.follow(settings, steering, models, keys)

    def follow(self, settings: Settings, steering: Steering, models: ModelList, keys: ClientKeys | None) -> None:
        """Whoever is dispatched from now on is so under `settings`; at one stroke, since nothing here waits."""
        self.deadlines, self.limits = deadlines, limits = settings.deadlines, settings.limits
        self.interval = sweep_interval(deadlines)
        self.expose_arm = settings.expose_arm
        self.record_bytes = limits.record_bytes
        self.keeps_text = frozenset(name for name, model in settings.models.items() if model.record == "full")
        self.envelopes = EnvelopeReader(body_keys(settings.models))
        self.steering = steering
        self.models = models
        self.keys = keys
        self.sampler = None if settings.traces is None else Sampler(settings.traces.sample)
        self.buffered.limit = limits.buffered_bytes
        self.heads.wait_at_most(deadlines.header, self.interval)
        self.bodies.wait_at_most(deadlines.idle, self.interval)


def body_keys(models: Mapping[str, Model]) -> tuple[str, ...]:
    """Every body key that some model's units come from."""
    sources = (source for model in models.values() for source in model.unit)
    return tuple(dict.fromkeys(source.removeprefix("body:") for source in sources if source.startswith("body:")))


def sweep_interval(deadlines: Deadlines) -> float:
    """Seconds: a quarter of the shortest deadline, within [0.01, 0.5]."""
    shortest = min(deadlines.header, deadlines.first_byte, deadlines.idle, deadlines.total, deadlines.keep_alive)
    return min(_COARSEST, max(shortest / 4, _FINEST))
