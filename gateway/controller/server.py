"""Serves the admin application with uvicorn on a socket that somebody else bound."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from gateway.tasks import Tasks

_MOST_REQUESTS = 256
_KEEP_ALIVE_SECONDS = 30


class ServerDied(Exception):
    """The admin server ended although nobody had told it to."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's business (gateway.process), not the server's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, and say so."""
        await super().startup(sockets)
        self._ready()


async def serve(
    app: ASGIApp, listener: socket.socket, stop: asyncio.Event, ready: Callable[[], None], grace: int = 5
) -> None:
    """Serve until `stop` is set, then let requests end for up to `grace` seconds. Raises ServerDied.

    `ready` is called once requests are answered. At most 256 requests at a time; more get 503.
    """
    server = _Server(_config(app, grace), ready)
    tasks = Tasks()
    running = tasks.spawn("admin server", server.serve(sockets=[listener]))
    stopping = tasks.spawn("admin stop", stop.wait())
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise ServerDied("the admin server ended by itself: its log says why")
        server.should_exit = True
        await asyncio.wait((running,), timeout=grace + 5)
    finally:
        await tasks.close()


def _config(app: ASGIApp, grace: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_REQUESTS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace,
    )
