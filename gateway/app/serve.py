"""`tipstaff serve`: all processes of one machine, supervised."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from gateway.app.common import FLUSH_SECONDS, RELAY_SECONDS, SCORING_SECONDS, address_of, exit_code
from gateway.app.firstevents import FirstEvents
from gateway.app.gateways import refuse_left_over, take_in
from gateway.app.reload import Supervised, fit_to_start
from gateway.app.shared_state import look_of
from gateway.app.welcome import banner
from gateway.clock import SystemClock
from gateway.configfile import PREFIX
from gateway.controller.record import models_under_way
from gateway.datafolder import prepare, supervisor_lock
from gateway.layout import DataFolder
from gateway.process import listen
from gateway.processes import CONTROLLER, GATHER, RELAY, SCORER, SUPERVISOR, proxy_name
from gateway.proxy.pinshare import exchange
from gateway.settings import Settings
from gateway.supervisor import Spec, Supervisor
from gateway.tablefile import read_table
from gateway.telemetry import logging
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from gateway.unitkeys import used

Say = Callable[[str], None]

_PROXIES, _SCORER, _CONTROLLER, _RELAY = range(4)
"""The order in which they end."""


def serve(config: Path, say: Say, *, adopt: bool) -> int:
    """Supervise proxies, scorer and controller until told to stop; the exit code. `adopt`: see `TableWatch`."""
    return exit_code(lambda: _serve(config.absolute(), say, adopt=adopt))


def _serve(config: Path, say: Say, *, adopt: bool) -> int:
    logging.configure(SUPERVISOR, os.environ.get(logging.LEVEL_VARIABLE, "info"))
    clock = SystemClock()
    supervised = Supervised(config, clock)
    settings = supervised.settings
    fit_to_start(settings)
    folder = DataFolder(settings.data)
    prepare(folder, say)
    with ExitStack() as stack:
        stack.callback(supervisor_lock(folder).close)
        under_way = partial(models_under_way, folder, look_of(settings))
        stack.enter_context(used(settings, folder, clock.now_us(), under_way))
        take_in(settings, folder, under_way)
        refuse_left_over(settings, folder)
        supervised.start()
        clients = stack.enter_context(listen(settings.listen))
        admin = stack.enter_context(listen(settings.admin))
        meters = Meters(CounterFile.open(folder.counter_file(SUPERVISOR)))
        stack.callback(meters.file.close)
        first = FirstEvents(folder, clock)

        async def when_ready() -> None:
            for line in banner(settings, address_of(clients), address_of(admin), read_table(folder.table)):
                say(line)
            await first.tell(say)

        taken = supervised.in_force.path
        back_office = _back_office(taken, settings, admin, adopt=adopt)
        specs = [*back_office, *_proxies(taken, settings, clients, adopt=adopt)]

        def release(rank: int) -> None:
            if rank == _PROXIES:  # else clients would still be let in here while nobody takes them
                clients.close()

        async def supervise() -> int:
            supervisor = Supervisor(specs, meters, release, supervised.reload, _environment())
            return await supervisor.run(when_ready)

        return asyncio.run(supervise())


def _environment() -> dict[str, str]:
    """Of the children: whatever it says of the configuration is in the one in force."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def _back_office(config: Path, settings: Settings, admin: socket.socket, *, adopt: bool) -> list[Spec]:
    controller = ("controller", str(config), "--listen-fd", str(admin.fileno()), *(("--adopt",) if adopt else ()))
    relay = Spec(RELAY, ("relay", str(config)), (), grace=RELAY_SECONDS, rank=_RELAY)
    gather = Spec(GATHER, ("gather", str(config)), (), grace=15.0, rank=_SCORER)
    return [
        *(() if settings.events.kafka is None else (relay,)),
        *((gather,) if settings.events.gather else ()),
        Spec(CONTROLLER, controller, (admin.fileno(),), grace=15.0, rank=_CONTROLLER),
        Spec(SCORER, ("scorer", str(config)), (), grace=SCORING_SECONDS, rank=_SCORER),
    ]


def _proxies(config: Path, settings: Settings, clients: socket.socket, *, adopt: bool) -> list[Spec]:
    grace = settings.deadlines.drain + FLUSH_SECONDS + 5.0
    specs = []
    for worker, pins in enumerate(_pin_sockets(settings.proxy.workers)):
        arguments = ["proxy", str(config), "--worker", str(worker), "--listen-fd", str(clients.fileno())]
        for descriptor in pins:
            arguments += ["--pin-fd", str(descriptor)]
        if adopt:
            arguments.append("--adopt")
        specs.append(Spec(proxy_name(worker), tuple(arguments), (clients.fileno(), *pins), grace, rank=_PROXIES))
    return specs


def _pin_sockets(workers: int) -> list[tuple[int, ...]]:
    """Each worker's descriptors, for as long as this process lives: a worker that is started again has the same."""
    if workers == 1:
        return [()]
    return [(inbox.detach(), *(way.dup().detach() for way in others)) for inbox, others in exchange(workers)]
