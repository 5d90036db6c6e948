"""How far exchanges are scored: every exchange that is still to come is later than this."""

from gateway.ports import Batch


class Horizon:
    """The minimum of what is known of the producers of exchanges, batch by batch.

    `living`: the producers that may still append; one that says nothing holds the horizon back until it does.
    One that is gone for good holds it back until what it left is scored.
    """

    def __init__(self, living: frozenset[str]) -> None:
        self._living = living
        self._known: dict[str, int] = {}
        self.time_us = 0
        """Microseconds since the epoch, true once the batch seen last is scored; 0: nothing is known."""

    def see(self, batch: Batch) -> None:
        """The next batch: it is scored before `time_us` is told to anybody."""
        for producer, time_us in batch.watermarks.items():
            self._known[producer] = max(time_us, self._known.get(producer, 0))
        busy = {entry.producer for entry in batch.entries}
        gone = batch.positions.keys() - self._living
        unfinished = {producer for producer in gone if producer in busy or producer not in batch.watermarks}
        holding = [self._known.get(producer, 0) for producer in self._living | unfinished]
        if holding:
            self.time_us = max(self.time_us, min(holding))
