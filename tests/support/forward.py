"""A fixed local port that leads to a server elsewhere on loopback."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial


class _Forwarder(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Connection(socketserver.BaseRequestHandler):
    def __init__(self, target: int, *arguments: object) -> None:
        self._target = target
        super().__init__(*arguments)  # type: ignore[arg-type] # socketserver's own three

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self._target), timeout=120) as onward:
            back = threading.Thread(target=_pump, args=(onward, self.request), daemon=True)
            back.start()
            _pump(self.request, onward)
            back.join(120)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one side has left: the other notices by its own end


@contextmanager
def forwarded(port: int, target: int) -> Iterator[None]:
    """Connections to 127.0.0.1:`port` go to 127.0.0.1:`target` while the block runs. OSError: the port is taken."""
    with _Forwarder(("127.0.0.1", port), partial(_Connection, target)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(10)
