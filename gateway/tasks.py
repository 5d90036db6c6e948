"""Background tasks that cannot die in silence."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

OnDeath = Callable[[str, BaseException], None]


def _log_death(name: str, error: BaseException) -> None:
    log.error("task died", task=name, error=repr(error))


class Tasks:
    """Owns tasks: keeps them alive, reports the one that fails, cancels all at the end."""

    def __init__(self, on_death: OnDeath = _log_death) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._on_death = on_death

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` on the current loop. A failure goes to `on_death`; a cancellation is an ordinary end."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_death(task.get_name(), error)

    async def close(self, grace: float = 5.0) -> None:
        """Cancel what runs and wait for it, at most `grace` seconds."""
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=grace)
