"""What no receiver takes: which event it was, and why. The event itself stays in the log, as long as any other."""

import os
from pathlib import Path

import msgspec

from gateway.events.schema import Stream
from gateway.ports import Entry


class DeadLetter(msgspec.Struct, frozen=True):
    """A place in the log: nothing of the event but its id, so that nobody has to be forgotten here."""

    time_us: int
    stream: Stream
    producer: str
    sequence: int
    id: str
    reason: str


class DeadLetters:
    """A file of JSON lines; at `max_bytes` it is put beside itself as `.1`, in place of the one before."""

    def __init__(self, path: Path, max_bytes: int = 16 << 20) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def add(self, stream: Stream, entry: Entry, reason: str, now_us: int) -> None:
        """Durably. An event that is delivered again may stand in it twice. Raises OSError."""
        letter = DeadLetter(now_us, stream, entry.producer, entry.sequence, entry.event.id, reason)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(letter) + b"\n")
            os.fsync(descriptor)
            full = os.fstat(descriptor).st_size >= self._max_bytes
        finally:
            os.close(descriptor)
        if full:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
