"""`tipstaff serve`: all processes of one machine, supervised."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gateway.app.classifier import make_classifier
from gateway.app.process import CONTROLLER, FLUSH_SECONDS, SCORER, SCORING_SECONDS, exit_code, name_of
from gateway.app.proxy import proxy_name
from gateway.clock import SystemClock
from gateway.datafolder import ProcessLock, prepare
from gateway.layout import DataFolder
from gateway.process import listen
from gateway.settings import Settings, load
from gateway.supervisor import Spec, Supervisor
from gateway.tablefile import read_table
from gateway.telemetry import logging
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from gateway.watch import FirstEvents
from gateway.welcome import banner

Say = Callable[[str], None]


def serve(config: Path, say: Say) -> int:
    """Supervise proxies, scorer and controller until told to stop; the exit code."""
    return exit_code(lambda: _serve(config.resolve(), say))


def _serve(config: Path, say: Say) -> int:
    logging.configure("supervisor", os.environ.get(logging.LEVEL_VARIABLE, "info"))
    settings = load(config)
    make_classifier(settings)
    folder = DataFolder(settings.data)
    prepare(folder)
    with ExitStack() as stack:
        stack.callback(ProcessLock.take(folder.lock, f"data folder {folder.root}").close)
        clients = stack.enter_context(listen(settings.listen))
        admin = stack.enter_context(listen(settings.admin))
        meters = Meters(CounterFile.open(folder.counter_file("supervisor")))
        stack.callback(meters.file.close)
        first = FirstEvents(folder, SystemClock())

        async def when_ready() -> None:
            for line in banner(settings, name_of(clients), name_of(admin), read_table(folder.table)):
                say(line)
            await first.tell(say)

        async def supervise() -> int:
            return await Supervisor(_specs(config, settings, clients, admin), meters).run(when_ready)

        return asyncio.run(supervise())


def _specs(config: Path, settings: Settings, clients: socket.socket, admin: socket.socket) -> list[Spec]:
    drain = settings.deadlines.drain + FLUSH_SECONDS + 5.0
    controller = ("controller", str(config), "--listen-fd", str(admin.fileno()))
    specs = [
        Spec(CONTROLLER, controller, (admin.fileno(),), grace=15.0, rank=2),
        Spec(SCORER, ("scorer", str(config)), (), grace=SCORING_SECONDS, rank=1),
    ]
    for worker in range(settings.proxy.workers):
        proxy = ("proxy", str(config), "--worker", str(worker), "--listen-fd", str(clients.fileno()))
        specs.append(Spec(proxy_name(worker), proxy, (clients.fileno(),), grace=drain, rank=0))
    return specs
