"""Pins that all proxy workers of a machine know: a response made through one is asked for through any."""

import contextlib
import socket
from collections.abc import Sequence

import msgspec

from gateway.proxy.pins import Pin, Pins
from gateway.telemetry.metrics import PINS_LOST, Meters

_LONGEST = 4096
_BURST = 256
"""Messages taken in at one turn of the loop."""


class _Message(msgspec.Struct, frozen=True, array_like=True):
    response_id: str
    pin: Pin | None


class SharedPins(Pins):
    """`Pins` that tells the other workers, and hears from them.

    `inbox` is this worker's datagram socket, `outboxes` lead to the others'; the supervisor made them. Nothing
    waits: what a full socket does not take is lost and counted, and answered there as an id that is not known.
    """

    def __init__(self, inbox: socket.socket, outboxes: Sequence[socket.socket], meters: Meters) -> None:
        super().__init__()
        self.inbox = inbox
        self._outboxes = outboxes
        self._lost = meters.counter(PINS_LOST)
        self._decode = msgspec.msgpack.Decoder(_Message).decode
        for end in (inbox, *outboxes):
            end.setblocking(False)  # noqa: FBT003 - the standard library's signature

    def put(self, response_id: str, pin: Pin) -> None:
        """Remember here and everywhere."""
        super().put(response_id, pin)
        self._tell(_Message(response_id, pin))

    def forget(self, response_id: str) -> None:
        """Forget here and everywhere."""
        super().forget(response_id)
        self._tell(_Message(response_id, None))

    def hear(self) -> None:
        """Take in what other workers have said; called when the inbox can be read."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_BURST):
                message = self._decode(self.inbox.recv(_LONGEST))
                if message.pin is None:
                    super().forget(message.response_id)
                else:
                    super().put(message.response_id, message.pin)

    def close(self) -> None:
        """Let go of the sockets; what comes later goes nowhere."""
        for end in (self.inbox, *self._outboxes):
            end.close()

    def _tell(self, message: _Message) -> None:
        encoded = msgspec.msgpack.encode(message)
        for outbox in self._outboxes:
            try:
                outbox.send(encoded)
            except OSError:
                self._lost.inc()


def exchange(workers: int) -> list[tuple[socket.socket, tuple[socket.socket, ...]]]:
    """For each of `workers` its inbox and the ways into the others' inboxes."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(workers)]
    return [
        (inbox, tuple(way_in for other, (_, way_in) in enumerate(pairs) if other != worker))
        for worker, (inbox, _) in enumerate(pairs)
    ]
