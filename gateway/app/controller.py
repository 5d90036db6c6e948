"""The controller process, put together."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.app.classifier import make_classifier
from gateway.app.common import CONSUMERS, CONTROLLER, Process, exit_code, part_died, running_process
from gateway.controller.access import AdminToken
from gateway.controller.api import create_app
from gateway.controller.folder_watch import FolderWatch
from gateway.controller.index import ExchangeIndex
from gateway.controller.known_stores import KnownStores, default_folder
from gateway.controller.loop import ControllerLoop
from gateway.controller.parts import ControllerParts
from gateway.controller.recovery import open_state
from gateway.controller.series import ControllerSeries
from gateway.controller.server import ServerDied, serve
from gateway.controller.statuses import Statuses
from gateway.controller.tables import RoutingTables, wishes
from gateway.controller.verdicts import VerdictReader
from gateway.events import ledger
from gateway.keys import read_secret
from gateway.process import Exit, Parent, inherited, listen, run_async
from gateway.scoring.texts import KeptTexts
from gateway.settings import Settings
from gateway.telemetry.exposition import Exposition


def run_controller(config: Path, listen_fd: int | None, parent_fd: int | None) -> int:
    """The controller until it is told to stop; its exit code."""
    return exit_code(lambda: _run_controller(config, listen_fd, Parent(parent_fd)))


def _run_controller(config: Path, listen_fd: int | None, parent: Parent) -> int:
    with running_process(config, CONTROLLER) as process, ExitStack() as stack:
        listener = listen(process.settings.admin) if listen_fd is None else inherited(listen_fd)
        run_async(partial(_control, process, stack, listener, parent), parent)
    return Exit.OK


async def _control(
    process: Process, stack: ExitStack, listener: socket.socket, parent: Parent, stop: asyncio.Event
) -> None:
    on_death = _in_loop(asyncio.get_running_loop(), stop)
    parts, loop = _controller(process, stack, on_death)
    loop.start()
    try:
        await serve(create_app(parts), listener, stop, parent.ready)
    except ServerDied as error:
        part_died("admin server", error, stop)
    finally:
        loop.close()


def _controller(
    process: Process, stack: ExitStack, on_death: Callable[[BaseException], None]
) -> tuple[ControllerParts, ControllerLoop]:
    settings, data, clock = process.settings, process.data, process.clock
    constitution, classifier = make_classifier(settings)
    store = open_state(data, clock)
    stack.callback(store.close)
    tables = RoutingTables(store, data, KnownStores(default_folder(os.environ, Path.home())), clock)
    tables.start(wishes(settings.models))
    index = ExchangeIndex.open(data.index, clock)
    stack.callback(index.close)
    events = process.event_log()
    stack.callback(events.close)
    folder = FolderWatch(data)
    reader = VerdictReader(events, index, process.meters)
    loop = ControllerLoop(reader, tables, index, folder=folder, clock=clock, on_death=on_death)
    ledgers = partial(ledger.read, data.log, data.counters, CONSUMERS)
    series = ControllerSeries(
        tables, ledgers, constitution, version=__version__, classifier=type(classifier).__name__
    )
    parts = ControllerParts(
        version=__version__,
        store=store,
        tables=tables,
        index=index,
        texts=KeptTexts(data.texts, None, clock, settings.retention.days, settings.retention.bytes),
        constitution=constitution,
        statuses=Statuses(data.statuses, clock),
        ledgers=ledgers,
        exposition=Exposition(data.counters, series),
        healthy=lambda: [] if loop.alive else ["the controller's loop has ended"],
        folder=folder,
        token=_admin_token(settings),
        meters=process.meters,
        clock=clock,
    )
    return parts, loop


def _admin_token(settings: Settings) -> AdminToken | None:
    path = settings.admin_token_file
    return None if path is None else AdminToken(read_secret("admin_token_file", path))


def _in_loop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Callable[[BaseException], None]:
    def on_death(error: BaseException) -> None:
        loop.call_soon_threadsafe(part_died, "controller loop", error, stop)

    return on_death
