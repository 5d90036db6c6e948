"""`tipstaff serve`: starts proxies, scorer and controller, keeps them running, ends them in order.

A child that dies is started again, after a pause that doubles from 0.5 to 10 seconds while it keeps dying. On
SIGHUP, or when a child asks for it, another configuration is looked at, and each child is told to take it.
At the end first the proxies drain, then the scorer stops, then the controller: each still takes what comes before.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from gateway.process import READY, RELOAD, Exit
from gateway.tasks import Tasks
from gateway.telemetry.metrics import RESTARTS, Meters

log = structlog.get_logger(__name__)

_FATAL = (Exit.CONFIG, Exit.PORT_TAKEN, Exit.DATA_FOLDER)
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_SETTLED = 30.0
"""A child that ran this many seconds is taken to be well: its pause starts from the shortest again."""


class Spec(msgspec.Struct, frozen=True):
    """One child: its command line (after the interpreter), the sockets it inherits, its place at the end.

    `grace`: seconds it may take to end after SIGTERM. Lower `rank` ends first.
    """

    name: str
    arguments: tuple[str, ...]
    descriptors: tuple[int, ...]
    grace: float
    rank: int


class Child:
    """Keeps one process running until told to stop."""

    def __init__(
        self,
        spec: Spec,
        meters: Meters,
        on_fatal: Callable[[int], None],
        on_reload: Callable[[], None],
        environment: Mapping[str, str],
    ) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        """Once it has been, for good."""
        self._current = asyncio.Event()
        """Set while it works by the configuration in force."""
        self._restarts = meters.counter(RESTARTS, spec.name)
        self._on_fatal = on_fatal
        self._on_reload = on_reload
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, wait for its end, start again. Returns when it ended after `stop`, or could never start."""
        loop = asyncio.get_running_loop()
        pause = _SHORTEST_PAUSE
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._once()
            if self._stopping.is_set():
                return
            if code in _FATAL and not self.ready.is_set():  # later on it may be mended while the others serve
                self._on_fatal(code)
                return
            self._process = None
            self._restarts.inc()
            if loop.time() - began > _SETTLED:
                pause = _SHORTEST_PAUSE
            log.error("process ended, starting it again", process=self.spec.name, code=code, seconds=pause)
            await self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _once(self) -> int:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.cli",
                *self.spec.arguments,
                "--parent-fd",
                str(theirs.fileno()),
                pass_fds=(*self.spec.descriptors, theirs.fileno()),
                process_group=0,
                env=self._environment,
            )
            theirs.close()
            await self._listen(ours)
            return await process.wait()
        finally:
            ours.close()
            self._current.clear()

    async def _listen(self, link: socket.socket) -> None:
        """Until it ends."""
        while said := await asyncio.get_running_loop().sock_recv(link, 1):
            if said == READY:
                self.ready.set()
                self._current.set()
            elif said == RELOAD:
                self._on_reload()

    async def take_configuration(self) -> bool:
        """Have it take the one in force; whether it did within its grace. One that does not run takes it when it is
        started.
        """
        try:
            async with asyncio.timeout(self.spec.grace):
                await self._current.wait()  # before that it may not yet handle the signal
                self._current.clear()
                if self._process is not None and self._process.returncode is None:
                    self._process.send_signal(signal.SIGHUP)
                await self._current.wait()
        except TimeoutError:
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def retire(self) -> None:
        """From now on it is not started again."""
        self._stopping.set()

    async def stop(self) -> int:
        """SIGTERM, then its grace, then SIGKILL. Returns its exit code (0 when it did not run)."""
        self.retire()
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.spec.grace)
            except TimeoutError:
                log.warning("process did not end in time, killing it", process=self.spec.name)
                process.kill()
                await process.wait()
        code = process.returncode or 0
        return 0 if code == -signal.SIGTERM else code  # it had not yet come to handling signals

    def kill(self) -> None:
        """At once, for the second Ctrl-C."""
        self.retire()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


class Supervisor:
    """All children of one `tipstaff serve`.

    `release(rank)` is called before the children of a rank are told to end, when none of them is started any more:
    it lets go of what was held here for those that would be. `reload` puts another configuration in force, from a
    thread of its own; False: it did not. `environment`: of the children.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        meters: Meters,
        release: Callable[[int], None] = lambda _rank: None,
        reload: Callable[[], bool] = lambda: False,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._release = release
        self._reload = reload
        self._stop = asyncio.Event()
        self._wanted = asyncio.Event()
        self._fatal = 0
        self._tasks = Tasks(self._task_died)
        self._children = [Child(spec, meters, self._fail, self._wanted.set, environment) for spec in specs]

    def _fail(self, code: int) -> None:
        self._fatal = self._fatal or code
        self._stop.set()

    def _task_died(self, name: str, error: BaseException) -> None:
        log.error("supervision failed, stopping", task=name, error=repr(error))
        self._fail(Exit.FAILED)

    async def run(self, when_ready: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """Until SIGTERM, SIGINT or a fatal child; returns the exit code. Once all are ready, runs `when_ready`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self._wanted.set)
        for child in self._children:
            self._tasks.spawn(child.spec.name, child.run())
        self._tasks.spawn("ready", self._announce(when_ready))
        self._tasks.spawn("reload", self._reload_for_ever())
        await self._stop.wait()
        code = await self._end()
        await self._tasks.close()
        return self._fatal or code

    def _signalled(self) -> None:
        if self._stop.is_set():
            for child in self._children:
                child.kill()
        self._stop.set()

    async def _announce(self, when_ready: Callable[[], Coroutine[Any, Any, None]]) -> None:
        for child in self._children:
            await child.ready.wait()
        await when_ready()

    async def _reload_for_ever(self) -> None:
        for child in self._children:
            await child.ready.wait()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if await asyncio.to_thread(self._reload):
                # All at once: what one of them does with the new one never rests on what another has already done.
                taken = await asyncio.gather(*(child.take_configuration() for child in self._children))
                for child, whole in zip(self._children, taken, strict=True):
                    if not whole:
                        log.error("process has not taken the configuration in time", process=child.spec.name)

    async def _end(self) -> int:
        worst = 0
        for rank in sorted({child.spec.rank for child in self._children}):
            ending = [child for child in self._children if child.spec.rank == rank]
            for child in ending:
                child.retire()
            self._release(rank)
            codes = await asyncio.gather(*(child.stop() for child in ending))
            worst = max(worst, *map(abs, codes))
        return Exit.FAILED if worst else Exit.OK
