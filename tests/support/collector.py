"""An OTLP/HTTP collector of the tests: takes what OpenTelemetry's exporters send, and keeps it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """`status`: what it answers from now on; `rejects`: how many spans of each request it says it did not take."""

    def __init__(self) -> None:
        self.status = 200
        self.rejects = 0
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.headers: dict[str, str] = {}
        self.url = ""

    def take(self, body: bytes) -> None:
        """One export."""
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(str(attributes(each.resource.attributes).get("service.name")))
            for scope in each.scope_spans:
                self.spans += scope.spans

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace, by its id in hex."""
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


def attributes(pairs: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf's own container
    """What OTLP writes as a list, as values."""
    return {pair.key: _value(pair.value) for pair in _pairs(pairs)}


def _pairs(pairs: Any) -> Iterator[KeyValue]:  # noqa: ANN401 - as above
    yield from pairs


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever hangs up in the middle is no error here."""


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """Listens on 127.0.0.1 at /v1/traces until the block ends."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            made.headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path == "/v1/traces" and made.status == 200:
                made.take(body)
            self.send_response(made.status if self.path == "/v1/traces" else 404)
            answer = ExportTraceServiceResponse()
            answer.partial_success.rejected_spans = made.rejects
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(answer.ByteSize()))
            self.end_headers()
            self.wfile.write(answer.SerializeToString())

        def log_message(self, *_: object) -> None:
            """What it heard is in `spans`."""

    server = _Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="collector", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
