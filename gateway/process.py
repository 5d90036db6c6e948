"""What every tipstaff process has: signals that stop it, a tie to its parent, an orderly end."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from enum import IntEnum
from functools import partial

import uvloop

READY, RELOAD = b"R", b"L"
"""What a child says to its supervisor: it works by the configuration in force; please take a new one."""


class Exit(IntEnum):
    """Exit codes that mean something."""

    OK = 0
    FAILED = 1
    CONFIG = 2
    PORT_TAKEN = 3
    DATA_FOLDER = 4
    WENT_BACK = 5
    """A rollout that was waited for ended without promotion."""
    TIMED_OUT = 6
    """It is still under way after the time that was given."""


_told_to_end = threading.Event()
"""By a signal, or by the supervisor's death; whatever else stops this process."""


class Parent:
    """A child's end of the socket to its supervisor: says "ready" on it, and sees the supervisor's death.

    Without a supervisor (`descriptor` None) it says nothing and never sees anything.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._socket = None if descriptor is None else socket.socket(fileno=descriptor)

    @property
    def watches(self) -> bool:
        """Whether there is a supervisor: then it is the one who looks at a configuration first."""
        return self._socket is not None

    def ready(self) -> None:
        """Tell the supervisor that this process does its work now, by the configuration in force."""
        if self._socket is not None:
            self._socket.sendall(READY)

    def ask_for_reload(self) -> None:
        """Have the supervisor read the configuration again, as on SIGHUP. Without one: this process itself."""
        if self._socket is None:
            os.kill(os.getpid(), signal.SIGHUP)
        else:
            self._socket.sendall(RELOAD)

    def when_gone(self, act: Callable[[], object]) -> None:
        """Call `act`, from a thread of its own, when the supervisor is gone."""
        if self._socket is not None:
            threading.Thread(target=self._wait, args=(self._socket, act), name="parent", daemon=True).start()

    @staticmethod
    def _wait(link: socket.socket, act: Callable[[], object]) -> None:
        link.recv(1)  # the supervisor never writes: this returns at its end, however it came
        act()


def _end(stop: asyncio.Event | threading.Event) -> None:
    _told_to_end.set()
    stop.set()


def run_async(main: Callable[[asyncio.Event], Awaitable[None]], parent: Parent) -> None:
    """Run `main` on uvloop. Its event is set by SIGTERM, SIGINT or the supervisor's death: then end in order."""

    async def body() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        end = partial(_end, stop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        parent.when_gone(lambda: loop.call_soon_threadsafe(end))
        await main(stop)

    uvloop.run(body())


def run_blocking(main: Callable[[threading.Event], None], parent: Parent) -> None:
    """Run `main` in this thread, with an event that is set as in `run_async`."""
    stop = threading.Event()
    end = partial(_end, stop)
    # In a thread: this one may be just about to wait for the event, and hold the lock that setting it takes.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: threading.Thread(target=end, daemon=True).start())
    parent.when_gone(end)
    main(stop)


class Again(Exception):
    """The process has ended in order, to begin anew under another configuration."""


def begin_anew() -> int:
    """The same command again in the same process: the pid and the sockets from the supervisor stay.

    Returns an exit code where somebody has told this process to end meanwhile.
    """
    if not _told_to_end.is_set():
        os.execv(sys.executable, [sys.executable, "-m", "gateway.cli", *sys.argv[1:]])  # noqa: S606 - no shell
    return Exit.OK


class PortTaken(Exception):
    """Somebody listens there already, or the address is not this machine's."""


def listen(address: str, backlog: int = 2048) -> socket.socket:
    """A listening TCP socket on `host:port`. Raises PortTaken.

    SO_REUSEADDR only, to start again while old connections linger. Never SO_REUSEPORT: with it a second
    instance would bind a taken port, and a closing listener resets the connections queued on it.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(backlog)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = str(error) if isinstance(error, OverflowError | socket.gaierror) else os.strerror(error.errno or 0)
        raise PortTaken(f"cannot listen on {address}: {reason}; stop what does, or choose another port") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


def inherited(descriptor: int) -> socket.socket:
    """A listening socket that the supervisor bound and passed on."""
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener
