"""Exchange ids, with random bytes drawn in bulk: one system call for 400 of them."""

import os
from collections.abc import Callable

from gateway.core.ids import exchange_id

_EACH = 10
_BULK = 400 * _EACH


class Ids:
    """Makes exchange ids. `random_bytes(n)` draws from the system."""

    __slots__ = ("_place", "_pool", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._pool = b""
        self._place = 0

    def new(self, now_us: int) -> str:
        """An id made at `now_us` (microseconds since the epoch)."""
        place = self._place
        if place >= len(self._pool):
            self._pool = self._random_bytes(_BULK)
            place = 0
        self._place = place + _EACH
        return exchange_id(now_us, self._pool[place : place + _EACH])
