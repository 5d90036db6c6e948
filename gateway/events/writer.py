"""One producer's part of one stream, as its only writer sees it: append, tick, roll, purge."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import structlog

from gateway.events import codec
from gateway.events.codec import Group
from gateway.events.folder import ProducerFolder
from gateway.events.losses import CORRUPT, MISSING, Losses
from gateway.events.policy import StreamPolicy
from gateway.events.positions import PublishedPositions
from gateway.events.purge import Purge
from gateway.events.rewrite import Change, rewrite
from gateway.events.segment import ConsumedTable, Placed, SegmentDamaged, SegmentEmpty, SegmentWriter
from gateway.events.tip import Tip
from gateway.ports import Clock, Entry, LogFull

log = structlog.get_logger(__name__)

OnLoss = Callable[[str, str, int], None]
"""(stream, reason, count): appended events that are gone, so that whoever holds the counters hears of it."""


class StreamWriter:
    """Not for two threads at once; `SqliteEventLog` sees to that. Raises ProducerTaken, LogFull."""

    def __init__(
        self,
        folder: ProducerFolder,
        *,
        clock: Clock,
        policy: StreamPolicy,
        consumers: frozenset[str],
        patient: frozenset[str],
        positions: PublishedPositions,
        on_loss: OnLoss,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._policy = policy
        self._on_loss = on_loss
        self._purge = Purge(folder, policy, consumers, patient, positions)
        self._current: SegmentWriter | None = None
        self._carried: ConsumedTable = {}
        self._stuck = False
        try:
            folder.make()
            self._tip = Tip.write(folder.tip)
        except OSError as error:
            raise LogFull(f"{folder.path} cannot be written: {error.strerror}") from error
        self._losses = Losses(folder.losses)
        try:
            self._recover()
        except BaseException:
            self._tip.close()  # else this process itself would keep the next attempt out
            raise

    @property
    def end(self) -> int:
        """How many events were ever appended."""
        return self._tip.end

    @property
    def watermark(self) -> int:
        """No event was appended with a later canonical time."""
        return self._tip.watermark

    @property
    def consumed(self) -> ConsumedTable:
        """What the newest segment says of this process's inputs."""
        return self._carried

    def append(self, groups: Sequence[Group], consumed: ConsumedTable, forwarded: int = 0) -> range:
        """The canonical times of the events, durably appended. Raises LogFull, having changed nothing."""
        first_us = max(self._clock.now_us(), self._tip.watermark + 1)
        count = self._append(list(_placed(groups, first_us)), consumed)
        self._tip.forward(forwarded)
        return range(first_us, first_us + count)

    def adopt(self, entries: Sequence[Entry]) -> None:
        """Events of another log, under the sequences and canonical times that they have there.

        Sequences from `end` on that are not among them are lost. Raises LogFull: then the rest is to come again.
        """
        for first, groups in _runs(entries):
            self.skip(first)
            self._append(groups, {})

    def skip(self, end: int) -> None:
        """Sequences up to there that nobody has brought will never come. Raises LogFull."""
        if end > self._tip.end:
            self._lost(self._tip.end, end, MISSING)
            self._tip.set(end, self._tip.watermark)

    def know(self, watermark: int, forwarded: int) -> None:
        """Of another log: every later event has a later canonical time, and speaks of later ones; see `Batch`."""
        self._tip.set(self._tip.end, max(watermark, self._tip.watermark))
        self._tip.forward(forwarded)

    def _append(self, groups: Sequence[Placed], consumed: ConsumedTable) -> int:
        """How many events; durably. Raises LogFull, having changed nothing."""
        self._make_room(sum(len(group.body) for group, _ in groups))
        try:
            segment = self._write(groups, consumed)
        except SegmentDamaged as error:
            self._damaged_while_open(error)
            segment = self._write(groups, consumed)
        count = segment.end - self._tip.end
        if count:
            self._tip.set(segment.end, max(segment.last_us, self._tip.watermark))
        return count

    def tick(self, forwarded: int = 0) -> None:
        """Move the watermark to now; roll and purge what is due."""
        self.know(self._clock.now_us(), forwarded)
        self.upkeep()

    def upkeep(self) -> None:
        """Roll and purge what is due."""
        current = self._current
        if current is not None and current.end > current.first and self._due(current):
            self._roll_without_events()
        self._purge.run(self._clock.now_us(), self._first, self._closed_end)

    def roll(self) -> int:
        """Close the segment in hand, if it has any event; the sequence after all that is closed. Raises LogFull."""
        current = self._current
        if current is not None and current.end > current.first:
            self._roll((), {})
        return self._closed_end

    def rewrite(self, first: int, needles: Sequence[bytes], change: Change) -> int:
        """See gateway.events.rewrite; of the closed segment that begins with `first`."""
        return rewrite(self._folder.segment(first), needles, change)

    def closed(self) -> list[int]:
        """First sequences of the segments that are not written to any more."""
        return [first for first in self._folder.segments() if first != self._first]

    def close(self) -> None:
        """Let go; a second call does nothing."""
        if self._current is not None:
            self._current.close()
        self._tip.close()

    @property
    def _first(self) -> int | None:
        return None if self._current is None else self._current.first

    @property
    def _closed_end(self) -> int:
        return self._tip.end if self._current is None else self._current.first

    def _write(self, groups: Sequence[Placed], consumed: ConsumedTable) -> SegmentWriter:
        current = self._current
        if current is None or current.end != self._tip.end or (current.end > current.first and self._due(current)):
            return self._roll(groups, consumed)
        current.append(groups, consumed)
        return current

    def _roll(self, groups: Sequence[Placed], consumed: ConsumedTable) -> SegmentWriter:
        """The first transaction of a new segment also takes over what the last one says of our inputs."""
        fresh = self._new_segment(self._tip.end, groups, consumed)
        if self._current is not None:
            self._current.close()
            self._purge.closed(self._current.first, self._current.last_us)
        self._current = fresh
        self._carried = fresh.consumed
        self._purge.look(fresh.first)
        return fresh

    def _new_segment(self, first: int, groups: Sequence[Placed], consumed: ConsumedTable) -> SegmentWriter:
        fresh: SegmentWriter | None = None
        try:
            fresh = SegmentWriter.create(self._folder.segment(first), first, self._clock.now_us(), self._carried)
            fresh.append(groups, consumed)
        except (LogFull, SegmentDamaged, sqlite3.Error) as error:
            if fresh is not None:
                fresh.close()
            self._folder.unlink(first)
            raise LogFull(f"no new segment could be made: {error}") from error
        return fresh

    def _roll_without_events(self) -> None:
        try:
            self._roll((), {})
        except LogFull as error:
            if not self._stuck:
                log.warning("a segment cannot be rolled yet", stream=self._folder.stream, error=str(error))
            self._stuck = True
        else:
            self._stuck = False

    def _due(self, segment: SegmentWriter) -> bool:
        age = self._clock.now_us() - segment.created_us
        return segment.bytes >= self._policy.roll_bytes or not 0 <= age < self._policy.roll_seconds * 1e6

    def _make_room(self, size: int) -> None:
        used = self._purge.closed_bytes() + (self._current.bytes if self._current is not None else 0)
        over = used + size - self._policy.max_bytes
        if over > 0 and not self._purge.make_room(over, self._first, self._closed_end):
            raise LogFull(
                f"{self._folder.path} is at its bound of {self._policy.max_bytes} bytes: its consumers are behind"
            )

    def _recover(self) -> None:
        """Find the newest sound segment, mend the tip, and record what is missing."""
        while self._current is None and (firsts := self._folder.segments()):
            self._try_open(firsts[-1])
        current = self._current
        end = current.end if current is not None else 0
        known = max(end, self._tip.end, self._purge.furthest())
        if known > end:
            self._lost(end, known, CORRUPT)
        self._tip.set(known, max(self._tip.watermark, current.last_us if current is not None else 0))
        self._carried = current.consumed if current is not None else {}
        self._purge.look(self._first)

    def _try_open(self, first: int) -> None:
        try:
            self._current = SegmentWriter.open(self._folder.segment(first), first)
        except SegmentEmpty:
            self._folder.unlink(first)
        except SegmentDamaged as error:
            self._set_aside(first, max(first, self._tip.end, self._purge.furthest()), error)

    def _damaged_while_open(self, error: SegmentDamaged) -> None:
        if self._current is None:
            raise error
        self._current.close()
        first, self._current = self._current.first, None
        self._set_aside(first, self._tip.end, error)

    def _set_aside(self, first: int, end: int, error: SegmentDamaged) -> None:
        aside = self._folder.set_aside(first)
        log.error("a damaged segment was set aside", file=str(aside), first=first, end=end, error=str(error))
        self._lost(first, end, CORRUPT)

    def _lost(self, first: int, end: int, reason: str) -> None:
        """Record the part of the range that its consumers had not all read."""
        unread = max(first, self._purge.slowest() or 0)
        try:
            lost = self._losses.add(unread, end, reason) if unread < end else 0
        except OSError as error:
            raise LogFull(f"{self._folder.losses} cannot be written: {error.strerror}") from error
        if lost:
            log.error(
                "events are lost",
                stream=self._folder.stream,
                producer=self._folder.producer,
                first=unread,
                end=end,
                count=lost,
                reason=reason,
            )
            self._on_loss(self._folder.stream, reason, lost)


def _placed(groups: Sequence[Group], first_us: int) -> Iterator[Placed]:
    for group in groups:
        yield group, first_us
        first_us += group.count


def _runs(entries: Sequence[Entry]) -> Iterator[tuple[int, list[Placed]]]:
    """(first sequence, groups) of entries whose sequences follow each other; in a group, so do their times."""
    for run in _split(entries, lambda entry: entry.sequence):
        timed = _split(run, lambda entry: entry.time_us)
        placed = (_placed(codec.groups([each.event for each in part]), part[0].time_us) for part in timed)
        yield run[0].sequence, list(chain.from_iterable(placed))


def _split(entries: Sequence[Entry], number: Callable[[Entry], int]) -> Iterator[Sequence[Entry]]:
    """Where a number is not one more than the one before."""
    start = 0
    for place in range(1, len(entries) + 1):
        if place == len(entries) or number(entries[place]) != number(entries[place - 1]) + 1:
            yield entries[start:place]
            start = place
