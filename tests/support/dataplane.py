"""A data plane put together as app.py does it, with a recorder that keeps its records in a list."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.clock import SystemClock
from gateway.configfile import parse
from gateway.core.identity import Identity, Role, Tokens, digest
from gateway.core.routing import ModelRoute, RoutingTable, split
from gateway.events.schema import AuditV1, ExchangeV1, FeedbackV1
from gateway.keys import load_client_keys
from gateway.ports import Clock
from gateway.proxy.arms import build_arms
from gateway.proxy.dataplane import DataPlane
from gateway.proxy.models import ModelList
from gateway.proxy.pins import Pins
from gateway.proxy.table import TableWatch
from gateway.tasks import Tasks
from gateway.telemetry.counterfile import CounterFile, read
from gateway.telemetry.metrics import Meters

if TYPE_CHECKING:
    from gateway.settings import Settings

UNIT_KEY = b"unit key of the tests"
ADMIN_TOKEN = b"admin token of the tests"
VIEWER_TOKEN = b"viewer token of the tests"
TOKENS = Tokens(
    {
        digest(ADMIN_TOKEN.decode()): Identity("ada", Role.OPERATOR),
        digest(VIEWER_TOKEN.decode()): Identity("vic", Role.VIEWER),
    }
)


class KeptRecords:
    """`gateway.proxy.services.Records` in memory. `full` makes it refuse, as a strict recorder does."""

    def __init__(self) -> None:
        self.records: list[ExchangeV1] = []
        self.feedback: list[FeedbackV1] = []
        self.audit: list[AuditV1] = []
        self.begun = 0
        self.full = False
        self._more = asyncio.Event()

    def accepts(self) -> bool:
        """See Records."""
        return not self.full

    def started(self) -> None:
        """See Records."""
        self.begun += 1

    def record(self, exchange: ExchangeV1) -> None:
        """See Records."""
        self.records.append(exchange)
        self._more.set()

    def offer(self, events: Sequence[FeedbackV1] | Sequence[AuditV1]) -> bool:
        """See FeedbackRecords, AuditRecords."""
        if not self.full:
            self.feedback += [event for event in events if isinstance(event, FeedbackV1)]
            self.audit += [event for event in events if isinstance(event, AuditV1)]
        return not self.full

    async def until(self, count: int, seconds: float = 5.0) -> list[ExchangeV1]:
        """Wait for `count` records."""
        async with asyncio.timeout(seconds):
            while len(self.records) < count:
                self._more.clear()
                await self._more.wait()
        return self.records


class Bench:
    """A data plane on a free port (or, without `start`, off the network) and what it works with."""

    def __init__(self, folder: Path, config: dict[str, Any], *, clock: Clock | None = None) -> None:
        self.settings: Settings = parse(config, folder, {})
        self.clock = clock or SystemClock()
        self.deaths: list[tuple[str, BaseException]] = []
        self.tasks = Tasks(lambda name, error: self.deaths.append((name, error)))
        self.file = CounterFile.open(folder / "counters.bin")
        self.meters = meters = Meters(self.file)
        self.records = KeptRecords()
        self.arms = build_arms(self.settings.models, meters, self.clock, lambda: 0.0)
        self.table = TableWatch(folder / "table.json", self.settings.models, self.clock, meters)
        self.pins = Pins()
        self.ready = True
        self.plane = DataPlane(
            self.settings,
            arms=self.arms,
            table=self.table,
            recorder=self.records,
            feedback=self.records,
            pins=self.pins,
            models=ModelList(self.settings.models, self.arms, 1),
            meters=meters,
            clock=self.clock,
            tasks=self.tasks,
            unit_key=UNIT_KEY,
            tokens=TOKENS,
            keys=load_client_keys(self.settings),
            audit=self.records,
            ready=lambda: self.ready,
        )
        self.port = 0

    def weigh(self, model: str, weights: dict[str, float], salt: bytes = b"salt") -> None:
        """Put a table in force that gives those shares."""
        route = ModelRoute(
            salt, split(tuple(self.settings.models[model].arms), weights), "operator", 0, "the test says so"
        )
        self.table.table = RoutingTable("store", 1, 1, {**self.table.table.models, model: route})

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await self.plane.start(listener, tls)

    async def close(self) -> None:
        """Drain at once and let go."""
        await self.plane.drain(0.05)
        await self.tasks.close()
        self.file.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's first numbers over all series that carry `labels`."""
        return sum(
            numbers[0]
            for series, numbers in read(self.file.path)
            if series.name == name and labels.items() <= dict(series.labels).items()
        )


def config(*endpoints: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any configuration key
    """One model, `assistant`: an arm `stable` at the first endpoint, and `canary` at the second if there is one."""
    arms: dict[str, Any] = {"stable": {"endpoints": [endpoints[0]]}}
    if len(endpoints) > 1:
        arms["canary"] = {"endpoints": [endpoints[1]], "fail_over": "stable"}
    return {"models": {"assistant": {"arms": arms}}, **more}
