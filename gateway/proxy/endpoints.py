"""The servers behind an arm, and which of them gets the next request.

The rule of `ArmEndpoints.pick`: among the endpoints in service (and those whose ejection is over, for a trial),
a conversation goes to the one that ranks first for it (rendezvous hashing), unless that has over 1.5 times the
mean number of requests in flight plus 4: then to the next in rank that has not. Without a conversation, the one
with the fewest requests in flight. When none is in service, `ejection.may_try_last` says which is tried anyway;
when not even one, the arm is down: None, at once.
"""

import ssl
from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.core.status import ArmStatus, EndpointStatus
from gateway.ports import Clock
from gateway.proxy import ejection
from gateway.telemetry.metrics import UPSTREAM_ERRORS, Meters

if TYPE_CHECKING:
    from gateway.telemetry.counterfile import Counter

OVERLOAD_RATIO = 1.5
OVERLOAD_ROOM = 4

_WORD = (1 << 64) - 1
_in_flight = attrgetter("in_flight")

Listing = tuple[dict[str, object], ...]
"""What a server's /v1/models lists: objects with at least a string `id`."""

Chance = Callable[[], float]
"""A random source: the next number in [0, 1)."""


class Failures:
    """Counts an arm's upstream errors; makes each kind's counter once."""

    def __init__(self, meters: Meters, model: str, arm: str) -> None:
        self._meters = meters
        self._labels = (model, arm)
        self._counters: dict[str, Counter] = {}

    def count(self, kind: str) -> None:
        """One more of `kind`."""
        counter = self._counters.get(kind)
        if counter is None:
            counter = self._counters[kind] = self._meters.counter(UPSTREAM_ERRORS, *self._labels, kind)
        counter.inc()


class Endpoint:
    """One server. Whoever sends it a request counts it in `in_flight` and says how it went, once.

    What the client caused is neither a failure nor a success: say nothing then.
    """

    __slots__ = (
        "_chance",
        "_clock",
        "_failures",
        "authorization",
        "health",
        "host",
        "in_flight",
        "listing",
        "port",
        "seed",
        "server_version",
        "ssl",
        "tls",
        "url",
    )

    def __init__(
        self,
        url: str,
        *,
        failures: Failures,
        clock: Clock,
        chance: Chance,
        authorization: bytes | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self.host: str = parts.hostname or ""
        self.tls: bool = parts.scheme == "https"
        self.port: int = parts.port or (443 if self.tls else 80)
        self.ssl = tls
        self.authorization = authorization
        self.in_flight = 0
        self.health: ejection.Health = ejection.IN_SERVICE
        self.listing: Listing = ()
        self.server_version = ""
        self.seed = int.from_bytes(blake2b(url.encode(), digest_size=8).digest(), "little")
        self._failures = failures
        self._clock = clock
        self._chance = chance

    @property
    def listed(self) -> list[str]:
        """The names under which its server serves models, as far as that is known."""
        return [str(entry["id"]) for entry in self.listing]

    def failed(self, kind: str) -> None:
        """A request failed through the server's fault: `refused`, `connect_timeout`, `reset`, `timeout`, ..."""
        kind = kind.removeprefix("upstream_")
        self._failures.count(kind)
        self.health = ejection.after_failure(self.health, kind, self._clock.monotonic(), self._chance())

    def succeeded(self) -> None:
        """A request got its answer."""
        if self.health is not ejection.IN_SERVICE:
            self.health = ejection.after_success(self.health, self._clock.monotonic())

    def probed(self, *, alive: bool) -> None:
        """A probe of /health came back."""
        self.health = ejection.after_probe(self.health, alive, self._clock.monotonic(), self._chance())

    def tried(self) -> None:
        """It was picked although it is ejected: its trial begins."""
        self.health = ejection.after_pick(self.health, self._clock.monotonic())

    def status(self) -> EndpointStatus:
        """What the status file says of it."""
        returns_at_us = None
        if self.health.ejected:
            ahead = self.health.returns_at - self._clock.monotonic()
            returns_at_us = self._clock.now_us() + max(0, round(ahead * 1e6))
        return EndpointStatus(
            url=self.url,
            healthy=not self.health.ejected,
            in_flight=self.in_flight,
            ejected_for=self.health.ejected_for,
            returns_at_us=returns_at_us,
            served_models=tuple(self.listed),
            server_version=self.server_version,
        )


class ArmEndpoints:
    """An arm's endpoints. `served_name` is the model name that its server knows; empty: leave the client's.

    It starts as the configured one; discovery sets it when there is none and the server knows another.
    """

    __slots__ = (
        "_clock",
        "_turn",
        "arm",
        "configured_name",
        "endpoints",
        "fail_over",
        "model",
        "served_name",
    )

    def __init__(
        self,
        model: str,
        arm: str,
        endpoints: Sequence[Endpoint],
        clock: Clock,
        *,
        configured_name: str = "",
        fail_over: str = "",
    ) -> None:
        self.model = model
        self.arm = arm
        self.endpoints = tuple(endpoints)
        self.configured_name = configured_name
        self.served_name = configured_name
        self.fail_over = fail_over
        self._clock = clock
        self._turn = 0

    def pick(self, affinity: bytes | None, avoid: Endpoint | None = None) -> Endpoint | None:
        """Where the next request goes, never `avoid`; None: the arm is down.

        `affinity`: a conversation's hash, at least 8 bytes.
        """
        endpoints = self.endpoints
        if len(endpoints) == 1 and not endpoints[0].health.ejected_for:
            return None if endpoints[0] is avoid else endpoints[0]
        now = self._clock.monotonic()
        usable = [
            endpoint
            for endpoint in endpoints
            if endpoint is not avoid and (not endpoint.health.ejected_for or ejection.may_try(endpoint.health, now))
        ] or [
            endpoint
            for endpoint in endpoints
            if endpoint is not avoid and ejection.may_try_last(endpoint.health, now)
        ]
        if not usable:
            return None
        chosen = self._fewest(usable) if affinity is None else _ranked(usable, affinity)
        if chosen.health.ejected_for:
            chosen.tried()
        return chosen

    def find(self, url: str) -> Endpoint | None:
        """The endpoint at `url`, in service or not."""
        return next((endpoint for endpoint in self.endpoints if endpoint.url == url), None)

    def status(self) -> ArmStatus:
        """What the status file says of it."""
        return ArmStatus(
            model=self.model,
            arm=self.arm,
            served_name=self.served_name or self.model,
            endpoints=tuple(endpoint.status() for endpoint in self.endpoints),
        )

    def _fewest(self, endpoints: list[Endpoint]) -> Endpoint:
        self._turn += 1  # equals take turns
        start = self._turn % len(endpoints)
        return min(endpoints[start:] + endpoints[:start], key=_in_flight)


def _ranked(endpoints: list[Endpoint], affinity: bytes) -> Endpoint:
    """The first in rank that is not overloaded. Rank: conversation and endpoint, mixed as splitmix64 does."""
    bound = OVERLOAD_RATIO * sum(map(_in_flight, endpoints)) / len(endpoints) + OVERLOAD_ROOM
    conversation = int.from_bytes(affinity[:8], "little")
    best, highest = endpoints[0], -1
    for endpoint in endpoints:
        if endpoint.in_flight > bound:
            continue
        rank = (conversation ^ endpoint.seed) * 0xBF58476D1CE4E5B9 & _WORD
        rank = (rank ^ rank >> 29) * 0x94D049BB133111EB & _WORD
        if rank > highest:
            best, highest = endpoint, rank
    return best
