"""The data port of one process: everything that a client's request meets, put together."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from gateway.core import errors
from gateway.core.clientkeys import ClientKeys
from gateway.core.identity import Tokens
from gateway.ports import Clock
from gateway.proxy.arms import Arms
from gateway.proxy.dispatch import Dispatcher
from gateway.proxy.feedback import FeedbackDesk, FeedbackRecords
from gateway.proxy.forcing import AuditRecords, Forcing
from gateway.proxy.ids import Ids
from gateway.proxy.instruments import Instruments
from gateway.proxy.models import ModelList
from gateway.proxy.pins import Pins
from gateway.proxy.server import ClientConnection
from gateway.proxy.services import Records, Services
from gateway.proxy.steering import Steering
from gateway.proxy.sweep import HANG_UP_SECONDS, Sweep
from gateway.proxy.table import TableWatch
from gateway.settings import Settings
from gateway.tasks import Tasks
from gateway.telemetry.metrics import Meters

BACKLOG = 2048
_ABORT_SECONDS = 1.0


class DataPlane:
    """Listens for clients and serves them until it is drained.

    `unit_key` hides who a unit is (at most 64 bytes); `tokens`: of operators, who may force an arm, which goes to
    `audit`; `keys`: that clients need, None asks for none; `ready` is what /readyz says; `tasks` reports what dies.
    """

    def __init__(  # noqa: PLR0913 - the data plane's collaborators, once each
        self,
        settings: Settings,
        *,
        arms: Arms,
        table: TableWatch,
        recorder: Records,
        feedback: FeedbackRecords,
        audit: AuditRecords,
        pins: Pins,
        models: ModelList,
        meters: Meters,
        clock: Clock,
        tasks: Tasks,
        unit_key: bytes,
        tokens: Tokens,
        keys: ClientKeys | None,
        ready: Callable[[], bool],
    ) -> None:
        self._table = table
        self._pins = pins
        self._unit_key = unit_key
        self._audit = audit
        self._clock = clock
        self._services = Services(
            settings,
            clock=clock,
            steering=self._steering(settings, arms, tokens),
            recorder=recorder,
            pins=pins,
            models=models,
            instruments=Instruments(meters),
            tasks=tasks,
            ready=ready,
            keys=keys,
        )
        self._desk = FeedbackDesk(feedback, settings.feedback.per_minute, clock, self._services.ids)
        self._dispatcher = Dispatcher(self._services, self._desk)
        self._sweep = Sweep(self._services)
        self._server: asyncio.Server | None = None

    def _steering(self, settings: Settings, arms: Arms, tokens: Tokens) -> Steering:
        forcing = Forcing(tokens, self._audit, self._clock, Ids())
        return Steering(settings.models, arms, self._table, self._pins, self._unit_key, forcing)

    def follow(
        self, settings: Settings, *, arms: Arms, models: ModelList, tokens: Tokens, keys: ClientKeys | None
    ) -> None:
        """Go on under another configuration. No connection is closed; an exchange that has its arm keeps it."""
        self._table.follow(settings.models)
        self._services.follow(settings, self._steering(settings, arms, tokens), models, keys)
        self._desk.allow(settings.feedback.per_minute)

    @property
    def draining(self) -> bool:
        """True from the moment that `drain` was called."""
        return self._services.draining

    @property
    def connections(self) -> int:
        """Open client connections."""
        return len(self._services.connections)

    @property
    def exchanges(self) -> int:
        """Requests that an arm is answering now."""
        return len(self._services.exchanges)

    def connection(self) -> ClientConnection:
        """A protocol for one client connection."""
        return ClientConnection(self._services, self._dispatcher)

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept clients on a bound socket."""
        services = self._services
        self._server = await asyncio.get_running_loop().create_server(
            self.connection,
            sock=listener,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else services.deadlines.header,
        )
        services.tasks.spawn("sweep", self._tick())
        services.tasks.spawn("hang-ups", self._look_for_hang_ups())

    async def drain(self, grace: float) -> None:
        """Stop accepting, let what is under way finish for `grace` seconds, abort the rest."""
        services = self._services
        services.draining = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(services.connections):
            connection.leave()
        await self._until_empty(grace)
        for connection in tuple(services.connections):
            connection.cut_off(errors.draining())
        await self._until_empty(_ABORT_SECONDS)
        for connection in tuple(services.connections):
            connection.give_up()
        services.pool.close()

    async def _until_empty(self, seconds: float) -> None:
        if not self._services.connections:
            return
        with contextlib.suppress(TimeoutError):  # what is left then is for the caller to end
            await asyncio.wait_for(self._services.emptied.wait(), seconds)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._services.interval)
            self._sweep.tick(self._services.clock.monotonic())

    async def _look_for_hang_ups(self) -> None:
        while True:
            await self._services.deafened.wait()
            await asyncio.sleep(HANG_UP_SECONDS)
            self._sweep.look_for_hang_ups()
