"""A transport without a socket: what is written stays in a list, and it blocks when a test says so."""

import asyncio


class FakeTransport(asyncio.Transport):
    """Verified against real sockets by tests/integration/proxy, which run the same stories over the network."""

    def __init__(self, peer: str = "192.0.2.7") -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.peer = peer
        self.reading = True
        self.closed = False
        self.aborted = False
        self.eof = False
        self.unsent = 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Only the peer's address."""
        return (self.peer, 50000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Kept."""
        self.written.append(bytes(data))

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def write_eof(self) -> None:
        """Noted."""
        self.eof = True

    def get_write_buffer_size(self) -> int:
        """What the test says."""
        return self.unsent

    def is_closing(self) -> bool:
        """After close or abort."""
        return self.closed or self.aborted

    def close(self) -> None:
        """Noted."""
        self.closed = True

    def abort(self) -> None:
        """Noted."""
        self.aborted = True

    def pause_reading(self) -> None:
        """Noted."""
        self.reading = False

    def resume_reading(self) -> None:
        """Noted."""
        self.reading = True

    def taken(self) -> bytes:
        """All that was written since the last call."""
        data = b"".join(self.written)
        self.written.clear()
        return data
