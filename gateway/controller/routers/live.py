"""What a page shows at all times, asked for once or followed as server-sent events."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.controller.live import LiveBoard
from gateway.controller.parts import ControllerParts
from gateway.controller.problems import Problem
from gateway.controller.routers.live_values import Live, live_shown
from gateway.controller.routers.values import problems
from gateway.controller.shared_look import SharedLook
from gateway.ports import Clock

log = structlog.get_logger(__name__)

MOST_FOLLOWERS = 64
_LOOKS_EVERY = 1.0
_SAYS_EVERY = 5.0
_ENDS_AFTER = 60.0
_UNBUFFERED = {"x-accel-buffering": "no"}
"""For nginx in front, which otherwise keeps events back until there are many."""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events named live, each a Live", "content": {"text/event-stream": {}}}
}


def live_router(parts: ControllerParts) -> APIRouter:
    """Nothing is put together while nobody asks, and once a second however many ask."""
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    board = LiveBoard(parts)
    look = SharedLook(lambda: live_shown(board.read(), parts.version, parts.constitution.hash), parts.clock)
    followers = Followers()

    @router.get("", summary="Three lamps, and all that moves", responses=problems(503))
    async def read() -> Live:
        """Is a rollout running, is it safe, is anything lost; at most a second old."""
        return await look.seen()

    @router.get("/stream", summary="Follow it", responses=problems(503) | _STREAM, response_class=StreamingResponse)
    async def follow() -> StreamingResponse:
        """Server-sent events: one at once, then when it has changed, at least every 5 s. It ends after a minute, so
        that a client comes again and is asked again who it is.
        """
        followers.check()
        return Following(followers, frames(look.seen, _resting(parts.ending), parts.clock))

    return router


class Followers:
    """How many follow just now."""

    def __init__(self) -> None:
        self.count = 0

    def check(self) -> None:
        """Raises Problem (503) where there is no room for another."""
        if self.count >= MOST_FOLLOWERS:
            detail = f"{MOST_FOLLOWERS} follow already: ask GET /api/v1/live now and then instead"
            raise Problem(503, "too-many", "Too many follow", detail)


class Following(StreamingResponse):
    """A stream that is one of `followers` as long as it goes on."""

    def __init__(self, followers: Followers, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=_UNBUFFERED)
        self._followers = followers
        followers.count += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until it ends, or nobody listens any more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._followers.count -= 1


async def frames(
    seen: Callable[[], Awaitable[Live]], rest: Callable[[float], Awaitable[bool]], clock: Clock
) -> AsyncIterator[bytes]:
    """The stream's bytes. `rest` waits for so many seconds, and says whether everything ends."""
    yield b"retry: 1000\n\n"
    began = clock.monotonic()
    said, said_at = None, began
    while clock.monotonic() - began < _ENDS_AFTER:
        try:
            found = await seen()
        except (OSError, sqlite3.Error) as error:  # who comes again is told so, with a status
            log.warning("what is live cannot be read, ending a stream", error=str(error))
            return
        now = clock.monotonic()
        if said is None or now - said_at >= _SAYS_EVERY or not found.same_as(said):
            said, said_at = found, now
            yield b"event: live\ndata: " + found.model_dump_json(by_alias=True).encode() + b"\n\n"
        if await rest(_LOOKS_EVERY):
            return


def _resting(ending: asyncio.Event) -> Callable[[float], Awaitable[bool]]:
    async def rest(seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), seconds)
        return ending.is_set()

    return rest
