"""A model's server that goes wrong in the way that a question asks for: resets, statuses, or never an answer."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESET, FAIL, HOLD = "reset the connection", "fail with a status", "hold on to it"
"""What to ask for."""


class Faulty:
    """`holding`: a request that asked for HOLD is here; it is answered once `let_go` is set."""

    def __init__(self) -> None:
        self.holding = threading.Event()
        self.let_go = threading.Event()
        self.told: list[bytes] = []
        """What was posted to other paths than a model's."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: Faulty) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listing = {"object": "list", "data": [{"id": "faulty", "object": "model"}]}
            self._say(200, listing if self.path == "/v1/models" else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not self.path.startswith("/v1/"):
                server.told.append(body)
                self._say(200, {})
                return
            if RESET.encode() in body:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if HOLD.encode() in body:
                server.holding.set()
                server.let_go.wait(60)
            self._say(500, {"error": {"message": "as asked for"}})

        def _say(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    return Handler


@contextmanager
def faulty() -> Iterator[Faulty]:
    """One that listens on loopback while the block runs."""
    server = Faulty()
    try:
        yield server
    finally:
        server.close()
