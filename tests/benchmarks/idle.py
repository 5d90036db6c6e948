"""Memory with ten thousand idle connections."""

import resource
import socket
from pathlib import Path

from tests.benchmarks.procs import resident_bytes
from tests.benchmarks.servers import static_upstream, tipstaff_proxy
from tests.benchmarks.table import Row
from tests.support.wait import until

CONNECTIONS = 10_000
_TARGET_MB = 200.0


def measure(folder: Path) -> list[Row]:
    """Each connection has made one request, as a keep-alive client has, and waits."""
    _raise_descriptors()
    with static_upstream(folder) as upstream, tipstaff_proxy(folder, upstream) as ours:
        before = resident_bytes(ours.pid)
        idle = [_connected(ours.port) for _ in range(CONNECTIONS)]
        try:
            until(lambda: _still_open(idle), 10, "all idle connections stay open")
            used = resident_bytes(ours.pid)
        finally:
            for connection in idle:
                connection.close()
    return [
        Row("memory of a proxy without connections", before / 1e6, "MB"),
        Row(f"memory with {CONNECTIONS:,} idle connections", used / 1e6, "MB", at_most=_TARGET_MB),
    ]


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"GET /livez HTTP/1.1\r\nhost: bench\r\n\r\n")
    if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
        raise RuntimeError("the proxy did not answer /livez with 200")
    return connection


def _still_open(connections: list[socket.socket]) -> bool:
    for connection in connections[:: len(connections) // 100]:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            if connection.recv(1) == b"":
                raise RuntimeError("the proxy closed an idle connection")
        except BlockingIOError:
            continue
    return True


def _raise_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 1000:
        raise RuntimeError(f"at most {hard} open files here: {CONNECTIONS + 1000} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
