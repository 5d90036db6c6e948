"""One look for all who want to see the same within a second."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.ports import Clock

_Seen = TypeVar("_Seen")
_FRESH_SECONDS = 1.0


class SharedLook(Generic[_Seen]):
    """`look` blocks; it runs in a thread, once at a time, at most once a second, and only when somebody asks."""

    def __init__(self, look: Callable[[], _Seen], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._turn = asyncio.Lock()
        self._seen: tuple[float, _Seen] | None = None

    async def seen(self) -> _Seen:
        """What was seen within the last second. Raises what `look` does."""
        async with self._turn:
            found = self._seen
            if found is None or self._clock.monotonic() - found[0] >= _FRESH_SECONDS:
                found = self._clock.monotonic(), await asyncio.to_thread(self._look)
                self._seen = found
            return found[1]
