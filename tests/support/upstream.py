"""A server on a real socket that does exactly what a test says, byte by byte."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self

Script = Callable[["Conversation"], Awaitable[None]]


class Conversation:
    """One connection to the upstream, as its script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.number = 0
        """How many requests have been read on this connection."""
        self.head = b""
        self.body = b""

    async def request(self) -> bool:
        """Read the next request whole, by its Content-Length; False at the end of the connection."""
        try:
            self.head = await self.reader.readuntil(b"\r\n\r\n")
            length = self.header("content-length")
            self.body = await self.reader.readexactly(int(length)) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        self.number += 1
        return True

    def header(self, name: str) -> str | None:
        """The value of a header of the request; None when it is not there."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, body: bytes, status: str = "200 OK", headers: str = "content-type: application/json\r\n"
    ) -> None:
        """Send a whole answer."""
        await self.say(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def begin_chunks(self, headers: str = "content-type: text/event-stream\r\n") -> None:
        """Send the head of an answer in chunks."""
        await self.say(f"HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n".encode())

    async def chunk(self, payload: bytes) -> None:
        """Send one chunk; an empty one is the last."""
        await self.say(b"%x\r\n%b\r\n" % (len(payload), payload))

    def reset(self) -> None:
        """End with a TCP reset."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hung_up(self) -> bool:
        """Wait until the other side has gone."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


class Upstream:
    """Listens on a free port of 127.0.0.1; runs `script` for each connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[tuple[bytes, bytes]] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What an arm's endpoint is configured as."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self.connections += 1
        conversation = Conversation(reader, writer)
        try:
            await self.script(conversation)
        except ConnectionError:
            pass  # a script that writes to who has gone
        except asyncio.CancelledError:
            pass  # the end of the test; asyncio's streams report a cancelled handler as an error
        finally:
            writer.close()
            if task is not None:
                self._tasks.discard(task)


def answering(body: bytes = b'{"ok":true}') -> Script:
    """A script that answers every request with `body`."""

    async def script(conversation: Conversation) -> None:
        while await conversation.request():
            await conversation.answer(body)

    return script
