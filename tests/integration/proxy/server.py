"""A tiny HTTP server whose answers a test sets: real sockets, one request a connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Server:
    """Answers by path: bytes with 200, a number as that status, None: never. Else 404. Keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | int | None] = {}
        self.heads: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            answer = self.answers.get(head.split(b" ")[1].decode(), 404)
            if answer is None:
                await reader.read()  # until the other side gives up
                return
            status, body = (answer, b"") if isinstance(answer, int) else (200, answer)
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def server(port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    its = Server()
    await its.start(port, tls)
    try:
        yield its
    finally:
        await its.stop()


async def eventually(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what only other tasks can bring about. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - the code under test offers no event
            await asyncio.sleep(0.005)
