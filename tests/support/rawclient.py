"""A client on a real socket that sends what a test says and reads one answer after another."""

import asyncio
import socket
import ssl
import struct
from typing import Self


class RawAnswer:
    """Status, headers in lower case, body; `whole` is False when the connection ended before it did."""

    def __init__(self, status: int, fields: dict[str, str], body: bytes, *, whole: bool) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.whole = whole


class RawClient:
    """One connection to 127.0.0.1."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls

    async def __aenter__(self) -> Self:
        name = "localhost" if self._tls is not None else None
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname=name, limit=1 << 24
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def vanish(self) -> None:
        """Reset the connection."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def answer(self, seconds: float = 5.0) -> RawAnswer:
        """Read one answer."""
        async with asyncio.timeout(seconds):
            status, fields = await self.head()
            try:
                return RawAnswer(status, fields, await self._body(fields), whole=True)
            except (asyncio.IncompleteReadError, ConnectionError):
                return RawAnswer(status, fields, b"", whole=False)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Read a head."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        return int(lines[0].split(" ")[1]), fields

    async def chunk(self, seconds: float = 5.0) -> bytes:
        """Read one chunk."""
        async with asyncio.timeout(seconds):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            return (await self.reader.readexactly(size + 2))[:-2]

    async def ended(self, seconds: float = 5.0) -> bytes:
        """What is left until the connection ends."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def _body(self, fields: dict[str, str]) -> bytes:
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        if "transfer-encoding" not in fields:
            return await self.reader.read()
        body = b""
        while piece := await self.chunk():
            body += piece
        return body
