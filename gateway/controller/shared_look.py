"""One look for all who want to see the same within a second."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.ports import Clock

_Seen = TypeVar("_Seen")
_FRESH_SECONDS = 1.0


class SharedLook(Generic[_Seen]):
    """`look` blocks; it runs in a thread, once at a time, at most once a second, and only when somebody asks.

    Whoever stops waiting for it ends no look: the others wait for the same one.
    """

    def __init__(self, look: Callable[[], _Seen], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._looking: asyncio.Future[_Seen] | None = None
        self._seen: tuple[float, _Seen] | None = None

    async def seen(self) -> _Seen:
        """What was seen within the last second, or is being looked at. Raises what `look` does."""
        if self._looking is None:
            if self._seen is not None and self._clock.monotonic() - self._seen[0] < _FRESH_SECONDS:
                return self._seen[1]
            self._looking = self._begun()
        return await asyncio.shield(self._looking)

    def _begun(self) -> "asyncio.Future[_Seen]":
        began = self._clock.monotonic()

        def done(look: "asyncio.Future[_Seen]") -> None:
            self._looking = None
            if not look.cancelled() and look.exception() is None:
                self._seen = began, look.result()

        looking = asyncio.get_running_loop().run_in_executor(None, self._look)
        looking.add_done_callback(done)
        return looking
