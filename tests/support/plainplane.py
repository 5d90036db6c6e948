"""A data plane off the network: fake transports on both sides, time in the test's hands."""

from pathlib import Path
from typing import Any

from gateway.proxy.server import ClientConnection
from gateway.proxy.sweep import Sweep
from gateway.proxy.upstream import UpstreamConnection
from tests.support.dataplane import Bench, config
from tests.support.faketransport import FakeTransport
from tests.support.manual_clock import ManualClock

NOW_US = 1_800_000_000_000_000


class PlainPlane:
    """One client connection, and an idle connection to each arm's first endpoint."""

    def __init__(self, folder: Path, **more: Any) -> None:  # noqa: ANN401 - any configuration key
        self.clock = ManualClock(NOW_US)
        endpoints = ("http://stable.test:8000", "http://canary.test:8000")
        self.bench = Bench(folder, config(*endpoints, **more), clock=self.clock)
        self.services = self.bench.plane._services
        self.sweep = Sweep(self.services)
        self.upstreams: dict[str, FakeTransport] = {}
        self._connections: dict[str, UpstreamConnection] = {}
        for arm in ("stable", "canary"):
            self.supply(arm)
        self.client, self.transport = self.connect()

    def connect(self) -> tuple[ClientConnection, FakeTransport]:
        """Another client."""
        client, transport = self.bench.plane.connection(), FakeTransport()
        client.connection_made(transport)
        return client, transport

    def supply(self, arm: str) -> FakeTransport:
        """Put a fresh idle connection to `arm` into the pool."""
        endpoint = self.bench.arms["assistant", arm].endpoints[0]
        connection = UpstreamConnection(self.services.pool, endpoint)
        transport = self.upstreams[arm] = FakeTransport()
        self._connections[arm] = connection
        connection.connection_made(transport)
        self.services.pool.put(connection)
        return transport

    def send(self, data: bytes) -> None:
        """From the client."""
        self.client.data_received(data)

    def sent_on(self, arm: str = "stable") -> bytes:
        """What has reached an arm since the last look."""
        return self.upstreams[arm].taken()

    def untouched(self) -> bool:
        """True when no arm has seen a byte."""
        return not any(transport.written for transport in self.upstreams.values())

    def reply(self, data: bytes, arm: str = "stable") -> None:
        """From an arm's server."""
        self._connections[arm].data_received(data)

    def hang_up(self, arm: str = "stable", *, reset: bool = False) -> None:
        """An arm's server ends the connection."""
        connection = self._connections[arm]
        if not reset:
            connection.eof_received()
        connection.connection_lost(ConnectionResetError() if reset else None)

    def answer(self) -> bytes:
        """What the client has got since the last look."""
        return self.transport.taken()

    def wait(self, seconds: float) -> None:
        """Let time pass, and the sweep see it."""
        self.clock.advance(seconds)
        self.sweep.tick(self.clock.monotonic())

    def close(self) -> None:
        """Let go of the counter file."""
        self.bench.file.close()


def request(
    body: bytes = b'{"model":"assistant","messages":[{"role":"user","content":"hi"}]}',
    path: str = "/v1/chat/completions",
    headers: str = "",
) -> bytes:
    """A whole POST with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answer(body: bytes = b'{"ok":true}', headers: str = "") -> bytes:
    """A whole answer of an arm's server."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body
