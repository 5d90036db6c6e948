"""Exchange ids, as `gateway.core.ids.exchange_id` makes them, with the random part drawn and written in bulk."""

import os
from collections.abc import Callable

_EACH = 8
_BULK = 400


class Ids:
    """Makes exchange ids. `random_bytes(n)` draws from the system: one call for 400 ids."""

    __slots__ = ("_random_bytes", "_tails")

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._tails: list[str] = []

    def new(self, now_us: int) -> str:
        """An id made at `now_us` (microseconds since the epoch)."""
        tails = self._tails
        if not tails:
            tails = self._tails = self._drawn()
        milliseconds, microseconds = divmod(now_us, 1000)
        return f"{milliseconds:012x}7{microseconds * 4096 // 1000:03x}{tails.pop()}"

    def _drawn(self) -> list[str]:
        """The last 16 digits of ids: the variant's two bits, then 62 random ones."""
        drawn = self._random_bytes(_BULK * _EACH)
        words = (int.from_bytes(drawn[place : place + _EACH], "big") for place in range(0, len(drawn), _EACH))
        return [f"{word & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000:016x}" for word in words]
