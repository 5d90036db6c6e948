"""A proxy that passes bytes on and knows nothing: what the event loop costs. Run with two ports, as a module.

One connection to the upstream for each client, which ends when the last chunk of an answer has passed.
"""

import asyncio
import gc
import sys
from typing import cast

import uvloop

_END = b"0\r\n\r\n"


class _Side(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


class _Upstream(_Side):
    def __init__(self, client: "_Client") -> None:
        self._client = client.transport
        self._write = client.transport.write

    def data_received(self, data: bytes) -> None:
        self._write(data)
        if data.endswith(_END):
            self._client.close()


class _Client(_Side):
    def __init__(self, port: int) -> None:
        self._port = port
        self._upstream: _Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self._upstream is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect(data))
        else:
            self._upstream.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.transport.close()

    async def _connect(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: _Upstream(self), "127.0.0.1", self._port)
        upstream.transport.write(data)
        self._upstream = upstream


async def _serve(port: int, upstream: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Client(upstream), "127.0.0.1", port, backlog=4096
    )
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
