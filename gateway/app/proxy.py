"""The proxy process, put together."""

import asyncio
import gc
import random
import resource
import signal
import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from gateway import __version__
from gateway.app.common import FLUSH_SECONDS, Process, address_of, exit_code, part_died, running_process
from gateway.app.reload import reloaded, tell_refused
from gateway.app.shared_state import look_of
from gateway.controller.record import models_under_way
from gateway.events.schema import AuditV1, Stream
from gateway.forgetting import ForgettingFolder
from gateway.keys import load_client_keys, load_tokens, settings_fingerprint
from gateway.ports import EventLog
from gateway.process import Exit, Parent, inherited, listen, run_async
from gateway.processes import proxy_name
from gateway.proxy.arms import Arms, Standing, build_arms
from gateway.proxy.dataplane import DataPlane
from gateway.proxy.discovery import Discovery
from gateway.proxy.fetch import HttpFetch
from gateway.proxy.forgetting import SpoolForgetting
from gateway.proxy.ids import Ids
from gateway.proxy.models import ModelList
from gateway.proxy.pins import Pins
from gateway.proxy.pinshare import SharedPins
from gateway.proxy.probing import Prober
from gateway.proxy.recorder import Recorder
from gateway.proxy.status import StatusFile, last_status
from gateway.proxy.table import TableWatch
from gateway.proxy.tls import ServerTls
from gateway.settings import ConfigError, Settings
from gateway.tasks import Tasks
from gateway.telemetry.metrics import Meters
from gateway.unitkeys import used

_SMALL_QUEUE_BYTES = 8 << 20
_COLLECT_EVERY = 20_000
"""Objects made and not let go: a collection of so many takes a millisecond."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Sockets from the supervisor, as descriptors; `pins` are the inbox, then the ways to the other workers."""

    listener: int | None = None
    parent: int | None = None
    pins: tuple[int, ...] = ()


def run_proxy(config: Path, worker: int, inheritance: Inheritance, *, adopt: bool) -> int:
    """One proxy worker until it is told to stop; its exit code. `adopt`: see `TableWatch`."""
    return exit_code(lambda: _run_proxy(config, worker, inheritance, adopt=adopt))


def _run_proxy(config: Path, worker: int, inheritance: Inheritance, *, adopt: bool) -> int:
    parent = Parent(inheritance.parent)
    with running_process(config, proxy_name(worker)) as process, _unit_key(process) as key:
        _raise_descriptor_limit()
        fd = inheritance.listener
        listener = listen(process.settings.listen) if fd is None else inherited(fd)
        pins = _pins(inheritance.pins, process.meters)
        table = _table(process, adopt=adopt)
        proxy = _Proxy(process, config, parent, table, pins, key)
        run_async(partial(proxy.run, listener), parent)
    return Exit.OK


def _unit_key(process: Process) -> AbstractContextManager[bytes]:
    return used(
        process.settings,
        process.data,
        process.clock.now_us(),
        partial(models_under_way, process.data, look_of(process.settings)),
    )


def _table(process: Process, *, adopt: bool) -> TableWatch:
    known = last_status(process.data.status(process.name))
    return TableWatch(
        process.data.table,
        process.settings.models,
        process.clock,
        process.meters,
        adopt=adopt,
        known_store="" if known is None else known.store_id,
    )


def _pins(descriptors: tuple[int, ...], meters: Meters) -> Pins:
    if not descriptors:
        return Pins()
    inbox, *outboxes = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    return SharedPins(inbox, outboxes, meters)


class _Proxy:
    """What one worker is made of, under the configuration in force and under the next."""

    def __init__(
        self, process: Process, config: Path, parent: Parent, table: TableWatch, pins: Pins, unit_key: bytes
    ) -> None:
        self._process = process
        self._unit_key = unit_key
        self._config = config
        self._parent = parent
        self._table = table
        self._pins = pins
        self._settings = process.settings
        self._wanted = asyncio.Event()

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve clients until `stop`, then drain."""
        process, settings = self._process, self._settings
        self._tasks = tasks = Tasks(lambda name, error: part_died(name, error, stop))
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._wanted.set)
        events = process.event_log()
        recorder = Recorder(events, process.meters, settings.audit, settings.limits.queue_bytes, process.clock)
        feedback = _small_recorder(process, events, "feedback")
        self._audit = _small_recorder(process, events, "audit")
        recorders = (recorder, feedback, self._audit)
        for each in recorders:
            each.start()
        self._audit.offer([_loaded(process, settings)])
        self._upstream = await _Upstream.found(process, settings, first=True)
        self._tls = None if settings.tls is None else ServerTls(settings.tls)
        self._plane = plane = self._data_plane(recorder, feedback)
        self._status = status = self._status_file(listener, recorders)
        await plane.start(listener, None if self._tls is None else self._tls.context)
        if isinstance(self._pins, SharedPins):
            asyncio.get_running_loop().add_reader(self._pins.inbox, self._pins.hear)
        tasks.spawn("table", self._table.run())
        tasks.spawn("status", status.run())
        tasks.spawn("reload", self._reload_for_ever())
        tasks.spawn("forget", SpoolForgetting(ForgettingFolder(process.data), events).run())
        if self._tls is not None:
            tasks.spawn("tls", self._tls.run())
        self._upstream.look_after(tasks)
        _tune_collector()
        tasks.spawn("ready", self._say_ready())
        await stop.wait()
        await plane.drain(settings.deadlines.drain)
        status.write()
        await tasks.close()
        await asyncio.gather(*(each.close(FLUSH_SECONDS) for each in recorders))
        events.close()

    async def _say_ready(self) -> None:
        await self._table.until_loaded()  # without a table, whoever asks at once would find all users on one arm
        self._parent.ready()

    async def _reload_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                settings = await asyncio.to_thread(reloaded, self._config, self._settings, self._parent)
                await self._follow(settings)
            except ConfigError as error:
                if self._parent.watches:
                    raise  # it is in force for the others: this process ends, and starts again with it
                tell_refused(error.problems)
            else:
                self._parent.ready()

    async def _follow(self, settings: Settings) -> None:
        """Make what the next configuration needs, and only then go over to it. Raises ConfigError."""
        process = self._process
        standing = Standing(self._settings.models, self._upstream.arms)
        upstream = await _Upstream.found(process, settings, standing)
        tokens, keys = load_tokens(settings), load_client_keys(settings)
        if self._tls is not None and settings.tls is not None:
            self._tls.follow(settings.tls)
        models = _model_list(process, settings, upstream.arms)
        # Nothing waits from here on, so no request meets half of it.
        self._plane.follow(settings, arms=upstream.arms, models=models, tokens=tokens, keys=keys)
        self._status.arms = upstream.arms
        self._upstream.leave()
        self._upstream, self._settings = upstream, settings
        upstream.look_after(self._tasks)
        self._audit.offer([_loaded(process, settings)])

    def _data_plane(self, recorder: Recorder, feedback: Recorder) -> DataPlane:
        process, settings, arms = self._process, self._settings, self._upstream.arms
        return DataPlane(
            settings,
            arms=arms,
            table=self._table,
            recorder=recorder,
            feedback=feedback,
            audit=self._audit,
            pins=self._pins,
            models=_model_list(process, settings, arms),
            meters=process.meters,
            clock=process.clock,
            tasks=self._tasks,
            unit_key=self._unit_key,
            tokens=load_tokens(settings),
            keys=load_client_keys(settings),
            ready=lambda: self._table.loaded,
        )

    def _status_file(self, listener: socket.socket, recorders: tuple[Recorder, ...]) -> StatusFile:
        process = self._process
        return StatusFile(
            process.data.status(process.name),
            process=process.name,
            address=address_of(listener),
            arms=self._upstream.arms,
            watch=self._table,
            clock=process.clock,
            draining=lambda: self._plane.draining,
            warnings=[
                lambda: self._upstream.discovery.warnings,
                *(lambda recorder=recorder: recorder.warnings for recorder in recorders),
                lambda: () if self._tls is None else self._tls.warnings,
            ],
        )


def _loaded(process: Process, settings: Settings) -> AuditV1:
    now_us = process.clock.now_us()
    said = f"{process.name}, tipstaff {__version__}"
    return AuditV1(Ids().new(now_us), now_us, "config", "config.loaded", settings_fingerprint(settings), said)


def _small_recorder(process: Process, events: EventLog, stream: Stream) -> Recorder:
    """`strict` whatever `audit` says: a client that is refused sends again, so nothing that was taken is dropped
    because a disk is full.
    """
    return Recorder(events, process.meters, "strict", _SMALL_QUEUE_BYTES, process.clock, stream=stream)


def _model_list(process: Process, settings: Settings, arms: Arms) -> ModelList:
    return ModelList(settings.models, arms, process.clock.now_us() // 1_000_000)


class _Upstream:
    """The arms, and what looks after them."""

    def __init__(self, arms: Arms, discovery: Discovery, prober: Prober) -> None:
        self.arms = arms
        self.discovery = discovery
        self._prober = prober
        self._running: list[asyncio.Task[None]] = []

    @classmethod
    async def found(
        cls,
        process: Process,
        settings: Settings,
        standing: Standing = Standing(),  # noqa: B008 - it does not change
        *,
        first: bool = False,
    ) -> Self:
        """All arms, asked once what they serve. Raises ConfigError, at a `first` start for names that fit none."""
        chance = random.SystemRandom().random
        arms = build_arms(settings.models, process.meters, process.clock, chance, standing)
        fetch = HttpFetch()
        discovery = Discovery(arms, fetch, chance)
        mismatches = await discovery.start()
        # One that has served before goes on, and warns.
        if first and mismatches and last_status(process.data.status(process.name)) is None:
            raise ConfigError(list(mismatches))
        return cls(arms, discovery, Prober(arms, fetch))

    def look_after(self, tasks: Tasks) -> None:
        """Follow what the arms say, and probe those that are ejected."""
        self._running = [tasks.spawn("discovery", self.discovery.run()), tasks.spawn("probes", self._prober.run())]

    def leave(self) -> None:
        """Others look after the arms that stay."""
        for task in self._running:
            task.cancel()


def _tune_collector() -> None:
    """Look for cycles seldom, and never in what was made at the start: a request leaves none behind, and a look at
    everything (10,000 connections, say) holds up every answer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 20, 50)


def _raise_descriptor_limit() -> None:
    """As many open files as the system lets this process have: each client may need two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
