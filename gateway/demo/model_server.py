"""A simulated model behind HTTP, on loopback: chat/completions, completions, models, version, health."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import httptools
import msgspec

from gateway.demo.behaviour import Behaviour, Schedule
from gateway.demo.simulated import FINGERPRINT, Ask, Reply, SimulatedModel, Unanswerable, chunks, whole
from gateway.ports import Clock
from gateway.tasks import Tasks

HOST = "127.0.0.1"
_WAITING = 32
"""Requests that one connection may have waiting; a client that pipelines more is dropped."""
_ROUTES = frozenset({"/v1/chat/completions", "/v1/completions"})
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}


class Request(msgspec.Struct, frozen=True):
    """One request, read whole."""

    method: str
    path: str
    body: bytes


class ModelServer:
    """Serves one simulated model. `port` 0 takes a free one; `aborted` counts answers that nobody waited for."""

    def __init__(self, model: SimulatedModel, schedule: Schedule, clock: Clock, port: int = 0) -> None:
        self.model = model
        self.port = port
        self.answered = 0
        self.aborted = 0
        self._schedule = schedule
        self._clock = clock
        self._started = 0.0
        self._tasks = Tasks()
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Listen; the schedule's time begins."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._started = self._clock.monotonic()

    async def close(self) -> None:
        """Stop listening, end all answers, close all connections; a second call does nothing."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._tasks.close()
        for transport in tuple(self._transports):
            transport.abort()

    def begin(self, schedule: Schedule) -> None:
        """Behave by another schedule, whose time begins now."""
        self._schedule = schedule
        self._started = self._clock.monotonic()

    @property
    def behaviour(self) -> Behaviour:
        """How the model behaves now."""
        return self._schedule.at(self._clock.monotonic() - self._started)

    def opened(self, transport: asyncio.Transport, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """A connection begins: `work` answers its requests."""
        self._transports.add(transport)
        return self._tasks.spawn("simulated connection", work)

    def closed(self, transport: asyncio.Transport) -> None:
        """A connection has ended."""
        self._transports.discard(transport)

    async def respond(self, transport: asyncio.Transport, request: Request) -> None:
        """Answer one request."""
        if request.path not in _ROUTES:
            status, value = self._told(request.path)
            _send(transport, status, msgspec.json.encode(value))
            return
        try:
            ask = self.model.asked(request.body)
        except Unanswerable as error:
            _send(
                transport, 404 if "does not exist" in str(error) else 400, msgspec.json.encode(_error(str(error)))
            )
            return
        await self._generate(transport, ask)

    def _told(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/health":
            return 200, {}
        if path == "/version":
            return 200, {"version": f"0 ({FINGERPRINT})"}
        if path == "/v1/models":
            entry = {"id": self.model.name, "object": "model", "created": 0, "owned_by": "tipstaff demo, simulated"}
            return 200, {"object": "list", "data": [entry]}
        return 404, _error(f"no such path: {path}")

    async def _generate(self, transport: asyncio.Transport, ask: Ask) -> None:
        behaviour = self.behaviour
        replies = self.model.replies(ask, behaviour)
        self.answered += 1
        try:
            await asyncio.sleep(behaviour.first_token)
            if ask.stream:
                await self._stream(transport, ask, replies, behaviour.token)
            else:
                await asyncio.sleep(behaviour.token * sum(len(reply.tokens) for reply in replies))
                _send(transport, 200, whole(ask, replies, self.answered))
        except asyncio.CancelledError:
            self.aborted += 1
            raise

    async def _stream(self, transport: asyncio.Transport, ask: Ask, replies: list[Reply], pause: float) -> None:
        transport.write(_STREAM_HEAD)
        for event in chunks(ask, replies, self.answered):
            transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(pause)
        transport.write(b"0\r\n\r\n")


class _Connection(asyncio.Protocol):
    """One client connection: requests are answered one after another."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._requests: asyncio.Queue[Request] = asyncio.Queue(_WAITING)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._task = self._server.opened(self._transport, self._answer())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._server.closed(self._transport)
        self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._url = b""
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path = self._url.partition(b"?")[0].decode("latin-1")
        try:
            self._requests.put_nowait(Request(self._parser.get_method().decode(), path, b"".join(self._body)))
        except asyncio.QueueFull:
            self._transport.abort()

    async def _answer(self) -> None:
        while True:
            await self._server.respond(self._transport, await self._requests.get())


def _send(transport: asyncio.Transport, status: int, body: bytes) -> None:
    head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    transport.write(head % (status, _REASONS[status], len(body)) + body)


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": "simulated"}}
