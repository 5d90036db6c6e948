"""Who sends too much: a token bucket per client, in a table that does not grow without end."""

from collections import OrderedDict

MOST_CLIENTS = 10_000
"""Beyond that the client that was quiet for longest is forgotten, which only lets it send again."""


class RateLimit:
    """`per_minute` things a client in the long run, at most `burst` at once."""

    def __init__(self, per_minute: int, burst: int, most_clients: int = MOST_CLIENTS) -> None:
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._most_clients = most_clients
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, client: bytes, count: int, now: float) -> float:
        """0: they are taken. Else nothing is, and after so many seconds they could be.

        `count` is at most `burst`; `now`: monotonic seconds.
        """
        left, since = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        wait = max(0.0, (count - left) / self._rate)
        self._buckets[client] = (left if wait else left - count, now)
        if len(self._buckets) > self._most_clients:
            self._buckets.popitem(last=False)
        return wait
