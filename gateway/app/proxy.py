"""The proxy process, put together."""

import asyncio
import gc
import random
import resource
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from gateway import __version__
from gateway.app.common import FLUSH_SECONDS, Process, address_of, exit_code, part_died, proxy_name, running_process
from gateway.events.schema import AuditV1, Stream
from gateway.keys import ensure_unit_key, fingerprint, load_client_keys, load_tokens, load_unit_key
from gateway.ports import EventLog
from gateway.process import Exit, Parent, inherited, listen, run_async
from gateway.proxy.arms import Arms, build_arms
from gateway.proxy.dataplane import DataPlane
from gateway.proxy.discovery import Discovery
from gateway.proxy.fetch import HttpFetch
from gateway.proxy.ids import Ids
from gateway.proxy.models import ModelList
from gateway.proxy.pins import Pins
from gateway.proxy.pinshare import SharedPins
from gateway.proxy.probing import Prober
from gateway.proxy.recorder import Recorder
from gateway.proxy.status import StatusFile, last_status
from gateway.proxy.table import TableWatch
from gateway.proxy.tls import ServerTls
from gateway.settings import ConfigError
from gateway.tasks import Tasks
from gateway.telemetry.metrics import Meters

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
    with running_process(config, proxy_name(worker)) as process:
        _raise_descriptor_limit()
        fd = inheritance.listener
        listener = listen(process.settings.listen) if fd is None else inherited(fd)
        pins = _pins(inheritance.pins, process.meters)
        table = _table(process, adopt=adopt)
        run_async(partial(_serve_clients, process, listener, parent, pins, table), parent)
    return Exit.OK


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


async def _serve_clients(
    process: Process, listener: socket.socket, parent: Parent, pins: Pins, table: TableWatch, stop: asyncio.Event
) -> None:
    tasks = Tasks(lambda name, error: part_died(name, error, stop))
    events = process.event_log()
    recorder = Recorder(
        events, process.meters, process.settings.audit, process.settings.limits.queue_bytes, process.clock
    )
    recorder.start()
    feedback = _small_recorder(process, events, "feedback")
    feedback.start()
    audit = _small_recorder(process, events, "audit")
    audit.start()
    audit.offer([_loaded(process)])
    upstream = await _Upstream.found(process)
    tls = None if process.settings.tls is None else ServerTls(process.settings.tls)
    recorders = (recorder, feedback, audit)
    plane = _plane(process, upstream.arms, table, recorders, pins, tasks)
    status = _status(process, listener, upstream, table, plane, recorders, tls)
    await plane.start(listener, None if tls is None else tls.context)
    if isinstance(pins, SharedPins):
        asyncio.get_running_loop().add_reader(pins.inbox, pins.hear)
    for name, part in (("table", table), ("discovery", upstream.discovery), ("probes", upstream.prober)):
        tasks.spawn(name, part.run())
    tasks.spawn("status", status.run())
    if tls is not None:
        tasks.spawn("tls", tls.run())
    _tune_collector()
    parent.ready()
    await stop.wait()
    await plane.drain(process.settings.deadlines.drain)
    status.write()
    await tasks.close()
    await asyncio.gather(*(each.close(FLUSH_SECONDS) for each in recorders))
    events.close()


def _loaded(process: Process) -> AuditV1:
    now_us = process.clock.now_us()
    said = f"{process.name}, tipstaff {__version__}"
    return AuditV1(Ids().new(now_us), now_us, "config", "config.loaded", fingerprint(process.settings), said)


def _small_recorder(process: Process, events: EventLog, stream: Stream) -> Recorder:
    """`strict` whatever `audit` says: a client that is refused sends again, so nothing that was taken is dropped
    because a disk is full.
    """
    return Recorder(events, process.meters, "strict", _SMALL_QUEUE_BYTES, process.clock, stream=stream)


@dataclass(frozen=True, slots=True)
class _Upstream:
    """The arms, and what looks after them."""

    arms: Arms
    discovery: Discovery
    prober: Prober

    @classmethod
    async def found(cls, process: Process) -> Self:
        """All arms, asked once what they serve. Raises ConfigError for names that fit none, at a first start."""
        chance = random.SystemRandom().random
        arms = build_arms(process.settings.models, process.meters, process.clock, chance)
        fetch = HttpFetch()
        discovery = Discovery(arms, fetch, chance)
        mismatches = await discovery.start()
        if mismatches and last_status(process.data.status(process.name)) is None:  # it has never served: a mistake
            raise ConfigError(list(mismatches))
        return cls(arms, discovery, Prober(arms, fetch))


def _plane(
    process: Process,
    arms: Arms,
    table: TableWatch,
    recorders: tuple[Recorder, Recorder, Recorder],
    pins: Pins,
    tasks: Tasks,
) -> DataPlane:
    settings, clock = process.settings, process.clock
    return DataPlane(
        settings,
        arms=arms,
        table=table,
        recorder=recorders[0],
        feedback=recorders[1],
        audit=recorders[2],
        pins=pins,
        models=ModelList(settings.models, arms, clock.now_us() // 1_000_000),
        meters=process.meters,
        clock=clock,
        tasks=tasks,
        unit_key=_unit_key(process),
        tokens=load_tokens(settings),
        keys=load_client_keys(settings),
        ready=lambda: table.loaded,
    )


def _status(
    process: Process,
    listener: socket.socket,
    upstream: _Upstream,
    table: TableWatch,
    plane: DataPlane,
    recorders: tuple[Recorder, Recorder, Recorder],
    tls: ServerTls | None,
) -> StatusFile:
    return StatusFile(
        process.data.status(process.name),
        process=process.name,
        address=address_of(listener),
        arms=upstream.arms,
        watch=table,
        clock=process.clock,
        draining=lambda: plane.draining,
        warnings=[
            lambda: upstream.discovery.warnings,
            *(lambda recorder=recorder: recorder.warnings for recorder in recorders),
            lambda: () if tls is None else tls.warnings,
        ],
    )


def _unit_key(process: Process) -> bytes:
    own = process.settings.unit_key_file
    return ensure_unit_key(process.data.unit_key) if own is None else load_unit_key(own)


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
