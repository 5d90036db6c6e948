"""CPU per streamed chunk: 200 streams, paced by the upstream, through nginx, a bare loop and tipstaff in turn."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.procs import LOAD_CORE, cpu_seconds, running
from tests.benchmarks.servers import MODEL, Target, nginx_proxy, passing_proxy, tipstaff_proxy
from tests.benchmarks.table import Row
from tests.support.ports import free_port

STREAMS = 200
SECONDS = 8
PACES = (20, 80)
"""Chunks per second and stream. At 20 nearly each finds the proxy asleep; at 80 several come at once."""
ROUNDS = 4
_TARGET = 1.15


@contextmanager
def paced_upstream(folder: Path, pace: int) -> Iterator[int]:
    """A server that streams chunks of 239 bytes, `pace` a second for `SECONDS`. Yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.paced", str(port), str(pace * SECONDS), str(1 / pace)]
    with running(command, LOAD_CORE, port, folder / "paced.log"):
        yield port


def measure(folder: Path) -> list[Row]:
    """In turns; only whole streams count, so that opening them weighs the same on both sides."""
    return [row for pace in PACES for row in _at(folder, pace)]


def _at(folder: Path, pace: int) -> list[Row]:
    folder = folder / str(pace)
    folder.mkdir()
    with (
        paced_upstream(folder, pace) as upstream,
        nginx_proxy(folder, upstream) as nginx,
        passing_proxy(folder, upstream) as passing,
        tipstaff_proxy(folder, upstream) as ours,
    ):
        rounds = [tuple(_timed(each, pace) for each in (nginx, passing, ours)) for _ in range(ROUNDS)]
    where = f"{STREAMS} streams, {pace} a second each"
    return [
        Row(f"CPU per chunk, {where}: nginx", median(each[0] for each in rounds), "µs"),
        Row(f"CPU per chunk, {where}: tipstaff", median(each[2] for each in rounds), "µs"),
        Row(
            f"CPU per chunk, {where}: an event loop that only passes bytes on",
            median(each[1] / each[0] for each in rounds),
            "x nginx",
        ),
        Row(
            f"CPU per chunk, {where}: ratio",
            median(each[2] / each[0] for each in rounds),
            "x nginx",
            at_most=_TARGET,
        ),
    ]


def _timed(target: Target, pace: int) -> float:
    chunks = pace * SECONDS
    before = cpu_seconds(target.pid)
    asyncio.run(_read_streams(target.port, chunks))
    return (cpu_seconds(target.pid) - before) / (STREAMS * chunks) * 1e6


async def _read_streams(port: int, chunks: int) -> None:
    sizes = await asyncio.gather(*(_read_one(port, number) for number in range(STREAMS)))
    short = [size for size in sizes if size < chunks * 200]
    if short:
        raise RuntimeError(f"{len(short)} of {STREAMS} streams broke off")


async def _read_one(port: int, number: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = msgspec.json.encode(
        {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Tell me of the sea."}]}
    )
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nx-user-id: user-{number}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    size = 0
    async with asyncio.timeout(SECONDS * 3 + 30):
        while data := await reader.read(65536):
            size += len(data)
    writer.close()
    return size
