"""Puts a stream of other gateways together again, out of records that come from partitions in any order.

A record says which event of which producer it is (`sequence`), so what follows what is already here is taken at
once, and a repetition is known. Whether a hole will ever be filled only its gateway knows: it says so (a word) once
everything below a sequence has been acknowledged. What the partitions held when that word was read is then read to
its end: what has not come by then never does, and the word's watermarks hold here too. Nothing is decided by time.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec

from gateway.events.schema import Known
from gateway.ports import Entry

_MARK = "@"


def local_name(producer: str, gateway: str) -> str:
    """What a producer of another gateway is called here: no process of this machine has an @ in its name."""
    return f"{producer}{_MARK}{gateway}"


def gathered(producer: str) -> bool:
    """Whether it is one of another gateway."""
    return _MARK in producer


def gateway_of(producer: str) -> str:
    """Whose a gathered producer is."""
    return producer.partition(_MARK)[2]


def awaited(gateways: Collection[str], producer: str) -> bool:
    """Whether it may still say something here: one of this gateway, or of those that are gathered."""
    return not gathered(producer) or gateway_of(producer) in gateways


class Record(msgspec.Struct, frozen=True):
    """An event, and where it stands."""

    partition: int
    offset: int
    entry: Entry
    """Under its producer's name here."""


Offsets = Mapping[int, int]
"""Partition -> offset of the next record."""


class Shelf(Protocol):
    """Where one producer's events are kept. Raises LogFull."""

    @property
    def end(self) -> int:
        """The sequence after all that is here or lost."""

    @property
    def watermark(self) -> int:
        """Nothing that is here is later, in microseconds of canonical time, and all that comes is."""

    def adopt(self, entries: list[Entry]) -> None:
        """From `end` on, ascending; what is left out is lost."""

    def know(self, known: Known) -> None:
        """What is not here below its end never comes; its watermarks hold."""


Shelves = Callable[[str], Shelf]
"""The shelf of a producer, by its name here; made where there is none."""


class _Fence(msgspec.Struct, frozen=True):
    """Words, and where the partitions ended once they had been read."""

    ends: Offsets
    words: dict[str, Known]


class StreamGathering:
    """One stream. `shelves` are written to, nobody is asked for the time."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._waiting: dict[str, dict[int, Record]] = {}
        self._words: dict[str, Known] = {}
        self._fence: _Fence | None = None
        self.begun_anew: set[str] = set()
        """Producers that count from 0 again: nobody can say which event is which, and nothing of them is taken."""

    @property
    def waiting(self) -> int:
        """Records in hand that nobody has yet."""
        return sum(map(len, self._waiting.values()))

    def take(self, record: Record) -> None:
        """A record, in any order, any number of times."""
        entry = record.entry
        shelf = self._shelves(entry.producer)
        if entry.sequence < shelf.end:
            if entry.time_us > shelf.watermark:  # no repetition: what had this place before was earlier
                self.begun_anew.add(entry.producer)
        elif entry.producer not in self.begun_anew:
            self._waiting.setdefault(entry.producer, {}).setdefault(entry.sequence, record)

    def hear(self, gateway: str, known: Mapping[str, Known]) -> None:
        """A word: the newest of a producer counts."""
        self._words |= {local_name(producer, gateway): each for producer, each in known.items()}

    @property
    def wants_ends(self) -> bool:
        """Whether `fence` is due."""
        return self._fence is None and bool(self._words)

    def fence(self, ends: Offsets) -> None:
        """Where the partitions end now, after the words that were heard."""
        self._fence = _Fence(ends, self._words)
        self._words = {}

    def settle(self, read: Offsets) -> None:
        """Keep what can be kept, all partitions having been read up to there. Raises LogFull: the next goes on."""
        for producer in self._waiting:
            self._follow(producer)
        fence = self._fence
        if fence is None or any(read.get(partition, 0) < end for partition, end in fence.ends.items()):
            return
        for producer, known in fence.words.items():
            self._complete(producer, known)
        self._fence = None

    def _follow(self, producer: str) -> None:
        """What follows what is here."""
        waiting, end = self._waiting[producer], self._shelves(producer).end
        found: list[Record] = []
        while (record := waiting.get(end + len(found))) is not None:
            found.append(record)
        self._keep(producer, found)

    def _complete(self, producer: str, known: Known) -> None:
        """All that there is of it, and will be, below that end."""
        shelf = self._shelves(producer)
        if known.end < shelf.end and known.watermark_us >= shelf.watermark > 0:
            self.begun_anew.add(producer)  # else what is here beyond that end would be later than its word
        if producer in self.begun_anew:
            return
        waiting = self._waiting.get(producer, {})
        self._keep(producer, [waiting[each] for each in sorted(waiting) if each < known.end])
        shelf.know(known)

    def _keep(self, producer: str, records: Collection[Record]) -> None:
        if records:
            self._shelves(producer).adopt([each.entry for each in records])
            waiting = self._waiting[producer]
            for each in records:
                del waiting[each.entry.sequence]

    def behind(self, read: Offsets) -> dict[int, int]:
        """Where whoever begins anew must begin, all partitions having been read up to there."""
        found = dict(read)
        for waiting in self._waiting.values():
            for each in waiting.values():
                found[each.partition] = min(found.get(each.partition, each.offset), each.offset)
        return found
