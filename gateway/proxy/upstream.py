"""Connections to the arms' endpoints: one answer at a time on each, kept open between answers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from gateway.proxy.answer import AnswerReader
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.http1 import Malformed

IDLE_SECONDS = 55.0
"""An idle connection is closed after this; servers that close earlier are noticed when they do."""
IDLE_PER_ENDPOINT = 512
_CRLF = b"\r\n"
_NONE = b"\0"
"""What no chunk begins with."""
_COPIED = 64 << 10
"""Bodies below this go out in one write with their head."""


class User(Protocol):
    """Whoever has a request under way on a connection. One of these is called, once, at the end."""

    def answered(self, reader: AnswerReader) -> None:
        """The answer is all there; the connection is no longer this user's."""

    def broken(self, reader: AnswerReader, *, malformed: bool) -> None:
        """The connection ended before the answer did, or sent what is no answer."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to an endpoint. `used`: it has carried an answer before."""

    __slots__ = (
        "_keep",
        "_openings",
        "_paused",
        "_pool",
        "_reader",
        "_room",
        "_transport",
        "_user",
        "_write",
        "authority",
        "closing",
        "endpoint",
        "idle_since",
        "used",
    )

    _transport: asyncio.Transport
    _room: int
    """Bytes that may still go by the answer's Passage; 0: everything goes to the reader."""
    _keep: Callable[[bytes], None]
    _write: Callable[[bytes], None]
    _openings: dict[int, bytes]
    """Of the chunks that may go by it."""
    closing: Callable[[], bool]
    """True once either side has ended it."""

    def __init__(self, pool: "Pool", endpoint: Endpoint) -> None:
        self._pool = pool
        self._paused = False
        self._reader: AnswerReader | None = None
        self._user: User | None = None
        self._close_passage()
        self.endpoint = endpoint
        self.authority = authority(endpoint)
        self.idle_since = 0.0
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast("asyncio.Transport", transport)
        self.closing = transport.is_closing
        without_delay(self._transport)

    def send(self, head: bytes, body: bytes, reader: AnswerReader, user: User) -> None:
        """Send a whole request; `reader` gets what comes back, `user` how it ended."""
        self._reader = reader
        self._user = user
        if len(body) < _COPIED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes."""
        size = len(data)
        room = self._room - size
        if room > 0 and data.startswith(self._openings.get(size, _NONE)) and data.endswith(_CRLF):
            self._room = room  # exactly one chunk: of this length, opened and closed as such a one is
            keep, write = self._keep, self._write
            keep(data)
            write(data)
            return
        self._room = 0
        reader = self._reader
        if reader is None:
            self.abort()  # an answer that nobody asked for
            return
        try:
            reader.feed(data)
        except Malformed:
            self._end(malformed=True)
            return
        if reader.done:
            self._complete(reader)
        elif (passage := reader.passage()) is not None:
            self._room, self._keep, self._write = passage
            self._openings = reader.known.openings

    def eof_received(self) -> bool:
        """asyncio: the server sends no more."""
        reader = self._reader
        if reader is not None and reader.eof():
            self._complete(reader)
        else:
            self._end(malformed=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """asyncio: gone."""
        self._end(malformed=False)
        self._pool.lost(self)

    def pause(self) -> None:
        """Read no more for now: the client is slower."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """End it at once; the user is not told. An engine stops generating when it sees this."""
        self._reader = self._user = None
        self._close_passage()
        self._transport.abort()

    def _complete(self, reader: AnswerReader) -> None:
        user = self._user
        self._reader = self._user = None
        self._close_passage()
        if self._paused:
            self.resume()
        if reader.reusable and self._transport.get_write_buffer_size() == 0:
            self.used = True
            self._pool.put(self)
        else:
            self._transport.abort()
        if user is not None:
            user.answered(reader)

    def _close_passage(self) -> None:
        self._room = 0
        self._keep = self._write = _nowhere  # else an idle connection would hold on to a client that has gone

    def _end(self, *, malformed: bool) -> None:
        user, reader = self._user, self._reader
        self.abort()
        if user is not None and reader is not None:
            user.broken(reader, malformed=malformed)


class Pool:
    """Idle connections by endpoint, the last used first, so that those not needed grow old.

    Time is what the last sweep said, so that nobody reads a clock for it.
    """

    def __init__(self, interval: float, now: float) -> None:
        """`interval`: seconds between sweeps."""
        self._seconds = IDLE_SECONDS + interval
        self._now = now
        self._idle: dict[Endpoint, list[UpstreamConnection]] = {}
        """The last used at the end: so those idle for longest are in front."""
        self._closed = False

    def take(self, endpoint: Endpoint) -> UpstreamConnection | None:
        """An open idle connection; None when there is none."""
        idle = self._idle.get(endpoint)
        while idle:
            connection = idle.pop()
            if not connection.closing():
                return connection
        return None

    async def connect(self, endpoint: Endpoint) -> UpstreamConnection:
        """A new connection. Raises OSError (ssl.SSLError is one). The caller bounds the time."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: UpstreamConnection(self, endpoint), endpoint.host, endpoint.port, ssl=endpoint.ssl
        )
        return connection

    def put(self, connection: UpstreamConnection) -> None:
        """Keep an open connection that carries nothing."""
        idle = self._idle.get(connection.endpoint)
        if idle is None:
            idle = self._idle[connection.endpoint] = []
        if self._closed or len(idle) >= IDLE_PER_ENDPOINT:
            connection.abort()
        else:
            connection.idle_since = self._now
            idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection ended."""
        idle = self._idle.get(connection.endpoint)
        if idle is not None and connection in idle:
            idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close what has been idle for IDLE_SECONDS."""
        self._now = now
        for idle in self._idle.values():
            due = [connection for connection in idle if now - connection.idle_since >= self._seconds]
            del idle[: len(due)]
            for connection in due:
                connection.abort()

    def close(self) -> None:
        """Close all that is idle, and what becomes idle from now on."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                idle.pop().abort()


def _nowhere(chunk: bytes) -> None:
    """Where there is no Passage."""


def authority(endpoint: Endpoint) -> bytes:
    """What stands in Host: the port only where it is not the scheme's own."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    own = endpoint.port == (443 if endpoint.tls else 80)
    return host.encode() if own else f"{host}:{endpoint.port}".encode()


def without_delay(transport: asyncio.Transport) -> None:
    """Send small writes at once: a token must not wait for the acknowledgement of the one before."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
