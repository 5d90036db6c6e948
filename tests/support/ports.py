"""Free ports on loopback."""

import os
import random
import socket
from itertools import cycle

_FIRST, _EACH, _WORKERS = 20_000, 1500, 8
"""Below the ports that Linux gives to clients; each worker of pytest-xdist takes from some of its own."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", f"gw{_WORKERS - 1}").removeprefix("gw")) % _WORKERS
_START = random.randrange(_EACH)
_ports = cycle(_FIRST + _WORKER * _EACH + (_START + number) % _EACH for number in range(_EACH))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that was not given out just before."""
    for _ in range(_EACH):
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {_EACH} ports from {_FIRST + _WORKER * _EACH} is free")


def listening(port: int) -> bool:
    """Whether a connection to 127.0.0.1:`port` is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
