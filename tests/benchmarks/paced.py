"""The paced upstream of the streaming benchmark: `python -m tests.benchmarks.paced PORT CHUNKS SECONDS`."""

import asyncio
import sys
from typing import cast

import msgspec
import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_MODELS = msgspec.json.encode({"object": "list", "data": [{"id": "assistant", "object": "model"}]})


def chunk(text: str) -> bytes:
    """One token as vLLM sends it: 239 bytes of event in one HTTP chunk."""
    event = {
        "id": "chatcmpl-" + "0" * 32,
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "assistant",
        "choices": [{"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}],
    }
    data = b"data: " + msgspec.json.encode(event) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


class Paced(asyncio.Protocol):
    """One request per connection: headers, then chunks by the loop's timer, then the end."""

    def __init__(self, chunks: int, every: float) -> None:
        self._chunks = self._left = chunks
        self._every = every
        self._chunk = chunk(" sea")
        self._begun = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._write(head % len(_MODELS) + _MODELS)
        elif not self._begun:
            self._begun, self._left = True, self._chunks
            self._write(_HEAD)
            asyncio.get_running_loop().call_later(self._every, self._next)

    def _next(self) -> None:
        if self._left == 0:
            self._write(b"0\r\n\r\n")
            self._begun = False
            return
        self._left -= 1
        self._write(self._chunk)
        asyncio.get_running_loop().call_later(self._every, self._next)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def _serve(port: int, chunks: int, every: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Paced(chunks, every), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
