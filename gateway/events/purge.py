"""Unlinking segments: once consumed and old enough, or once consumed and the room is needed."""

import sqlite3

import structlog

from gateway.events.folder import ProducerFolder
from gateway.events.policy import StreamPolicy
from gateway.events.positions import PublishedPositions
from gateway.events.segment import damage
from gateway.events.segment_reader import reading_uri

log = structlog.get_logger(__name__)

_EVERY_US = 1_000_000
_LAST_US = "SELECT first_us + count - 1 FROM groups ORDER BY first DESC LIMIT 1"


class Purge:
    """Knows the closed segments of one producer's part of a stream, and who still has to read them.

    `consumers` are waited for whatever happens, the `patient` ones as long as there is room.
    """

    def __init__(
        self,
        folder: ProducerFolder,
        policy: StreamPolicy,
        consumers: frozenset[str],
        patient: frozenset[str],
        positions: PublishedPositions,
    ) -> None:
        self._folder = folder
        self._policy = policy
        self._consumers = consumers
        self._patient = patient
        self._positions = positions
        self._sizes: dict[int, int] = {}
        self._last_us: dict[int, int] = {}
        self._ran_us = 0

    def slowest(self) -> int | None:
        """The position of the consumer that is furthest behind, patient ones aside; None when there is none."""
        return self._slowest_of(self._consumers)

    def furthest(self) -> int:
        """The highest position that anyone has ever published: no sequence below it may be given again."""
        folder = self._folder
        names = self._positions.consumers(folder.stream)
        return max((self._positions.position(name, folder.stream, folder.producer) for name in names), default=0)

    def closed_bytes(self) -> int:
        """What the closed segments take, as of the last `look`."""
        return sum(self._sizes.values())

    def look(self, current: int | None) -> None:
        """Take stock of the closed segments: all but the one that starts at `current`."""
        closed = [first for first in self._folder.segments() if first != current]
        self._sizes = {first: self._sizes.get(first) or self._folder.bytes(first) for first in closed}
        self._last_us = {first: at for first, at in self._last_us.items() if first in self._sizes}

    def run(self, now_us: int, current: int | None, end: int) -> None:
        """At most once a second: unlink what is consumed and older than the policy keeps.

        `end`: the sequence after the last closed segment.
        """
        if abs(now_us - self._ran_us) < _EVERY_US:
            return
        self._ran_us = now_us
        self.look(current)
        for first in self._passed(end, self._slowest_of(self._consumers | self._patient)):
            if not self._old(first, now_us):
                break
            self._unlink(first)
        self._folder.sweep(now_us, self._policy.aside_seconds)

    def make_room(self, wanted: int, current: int | None, end: int) -> bool:
        """Unlink consumed segments, oldest first, until `wanted` bytes are free; False when that cannot be."""
        self.look(current)
        for first in self._passed(end, self.slowest()):
            if wanted <= 0:
                break
            wanted -= self._sizes[first]
            self._unlink(first)
        return wanted <= 0

    def _slowest_of(self, names: frozenset[str]) -> int | None:
        folder = self._folder
        return min((self._positions.position(name, folder.stream, folder.producer) for name in names), default=None)

    def _passed(self, end: int, slowest: int | None) -> list[int]:
        firsts = sorted(self._sizes)
        ends = [*firsts[1:], end][: len(firsts)]
        return [first for first, after in zip(firsts, ends, strict=True) if slowest is None or after <= slowest]

    def closed(self, first: int, last_us: int) -> None:
        """Remember when a segment's last event was appended: looking it up needs room on the disk."""
        self._last_us[first] = last_us

    def _old(self, first: int, now_us: int) -> bool:
        if not self._policy.keep_seconds:
            return True
        last_us = self._last_us.get(first)
        if last_us is None:
            last_us = _last_us(reading_uri(self._folder.segment(first), closed=True))
        if last_us is None:
            return False
        self._last_us[first] = last_us
        return now_us - last_us >= self._policy.keep_seconds * 1e6

    def _unlink(self, first: int) -> None:
        self._folder.unlink(first)
        del self._sizes[first]
        log.debug("segment unlinked", stream=self._folder.stream, producer=self._folder.producer, first=first)


def _last_us(uri: str) -> int | None:
    """When its last event was appended; 0 where damage hides it, so that it is not kept for ever; None: unknown."""
    try:
        database = sqlite3.connect(uri, uri=True)
        try:
            row = database.execute(_LAST_US).fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        return 0 if damage(error) else None
    return int(row[0]) if row else 0
