"""A sink that fails as told: a fake of `gateway.ports.Sink`."""

from collections.abc import Sequence

from gateway.ports import BrokersAway, Entry


class KilledHere(Exception):
    """A kill -9 between the sink's word and the relay's note of it."""


class FakeSink:
    """Takes what it is given, unless told otherwise.

    `down`: it fails with these words, having taken the first `takes_first`. `killed`: it takes all, and that is the
    relay's last moment. `never`: event id -> why it is never taken.
    """

    def __init__(self) -> None:
        self.taken: list[Entry] = []
        self.down = ""
        self.takes_first = 0
        self.killed = False
        self.never: dict[str, str] = {}

    def deliver(self, entries: Sequence[Entry]) -> dict[int, str]:
        if self.down:
            self.taken += entries[: self.takes_first]
            raise BrokersAway("test", self.down)
        ids = [entry.event.id for entry in entries]
        refused = {number: self.never[each] for number, each in enumerate(ids) if each in self.never}
        self.taken += [entry for number, entry in enumerate(entries) if number not in refused]
        if self.killed:
            raise KilledHere
        return refused

    def close(self) -> None:
        """Nothing is held."""

    def sequences(self, producer: str = "p") -> list[int]:
        """What it has taken of one producer, in order."""
        return [entry.sequence for entry in self.taken if entry.producer == producer]
