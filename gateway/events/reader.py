"""One producer's part of one stream, as any process reads it: short transactions, cheap when nothing is new."""

import bisect
from collections.abc import Callable
from itertools import zip_longest

import msgspec
import structlog

from gateway.events.codec import Damaged, event, raws
from gateway.events.folder import ProducerFolder
from gateway.events.segment import SegmentDamaged, SegmentEmpty
from gateway.events.segment_reader import Page, Row, SegmentBlocked, SegmentGone, SegmentReader
from gateway.events.tip import Tip
from gateway.ports import Entry

log = structlog.get_logger(__name__)

OnDamage = Callable[[int, int], None]
"""(first, end): sequences that cannot be read any more and are skipped."""

_READ_BYTES = 32 << 20
_LOOK_SECONDS = 1.0


class Read(msgspec.Struct):
    """What one producer had: where to go on, how far its time is known (None: unknown), what it forwards."""

    entries: list[Entry]
    position: int
    watermark: int | None
    forwarded: int = 0


class ProducerReader:
    """Reads one producer's segments. Not for two threads at once."""

    def __init__(self, folder: ProducerFolder, monotonic: Callable[[], float], on_damage: OnDamage) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._on_damage = on_damage
        self._tip: Tip | None = None
        self._segment: SegmentReader | None = None
        self._decoded: tuple[int, list[msgspec.Raw]] | None = None
        self._looked = float("-inf")
        self._known = (0, 0)
        self._complained: tuple[str, int] | None = None

    def read(self, position: int, limit: int) -> Read:
        """At most `limit` entries from `position` on; fewer when they are large."""
        self._tip = self._tip or Tip.read(self._folder.tip)
        watermark = self._tip.watermark if self._tip is not None else 0
        forwarded = self._tip.forwarded if self._tip is not None else 0
        found = Read([], position, None)
        if self._tip is not None and self._tip.end <= position and not self._look_anyway():
            exhausted = True
        else:
            exhausted = self._collect(found, limit)
        last = found.entries[-1].time_us if found.entries else 0
        found.forwarded = forwarded if exhausted else 0
        found.watermark = self._never_back(found.position, max(watermark, last) if exhausted else last)
        return found

    def _never_back(self, position: int, watermark: int) -> int | None:
        """`watermark`, or the one given before where that is later; None for 0.

        An event may be read before its writer has moved the tip, which then still shows an earlier watermark.
        """
        since, known = self._known
        if position >= since:
            watermark = max(watermark, known)
            self._known = (position, watermark)
        return watermark or None

    def _look_anyway(self) -> bool:
        """A writer that died between commit and tip left events that the tip does not show."""
        now = self._monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        return True

    def _collect(self, found: Read, limit: int) -> bool:
        """Fill `found`; True when the log ends there."""
        segments = self._folder.segments()
        firsts = segments[max(bisect.bisect_right(segments, found.position) - 1, 0) :]
        budget = _READ_BYTES
        for first, after in zip_longest(firsts, firsts[1:]):
            found.position = max(found.position, first)
            try:
                page = self._opened(first, closed=after is not None).page(
                    found.position, limit - len(found.entries), budget
                )
            except SegmentEmpty:
                continue  # whatever the watermark covers was committed before: it is not in here
            except SegmentBlocked as error:
                self._complain("a segment cannot be read now", first, error)
                return False
            except SegmentGone:
                if after is None:
                    return False
                continue
            except SegmentDamaged as error:
                if not self._skip(found, first, after, error):
                    return False
                continue
            self._take(page, found, limit)
            budget -= page.bytes
            if not page.last or len(found.entries) >= limit:
                return False
        return True

    def _opened(self, first: int, *, closed: bool) -> SegmentReader:
        """The reader of that segment; the one before is let go, so that its file can vanish."""
        if self._segment is not None and self._segment.first == first and self._segment.current():
            return self._segment
        self._close_segment()
        self._segment = SegmentReader.open(self._folder.segment(first), first, closed=closed)
        return self._segment

    def _skip(self, found: Read, first: int, after: int | None, error: SegmentDamaged) -> bool:
        """Go on behind a damaged segment; not possible yet while it is the newest: its writer will set it aside."""
        self._close_segment()
        self._complain("a segment is damaged", first, error)
        if after is None:
            return False
        self._on_damage(found.position, after)
        found.position = after
        return True

    def _take(self, page: Page, found: Read, limit: int) -> None:
        for row in page.rows:
            try:
                encoded = self._raws(row)
            except Damaged as error:
                self._complain("a group of events cannot be read", row.first, error)
                self._on_damage(max(found.position, row.first), row.end)
                found.position = row.end
                continue
            skip = max(found.position - row.first, 0)
            upto = min(row.group.count, skip + limit - len(found.entries))
            for index in range(skip, upto):
                entry = Entry(self._folder.producer, row.first + index, row.first_us + index, event(encoded[index]))
                found.entries.append(entry)
            found.position = row.first + upto

    def _complain(self, what: str, first: int, error: Exception) -> None:
        """Once for each thing: a reader comes back many times a second."""
        folder = self._folder
        if self._complained == (what, first):
            return
        self._complained = (what, first)
        log.error(what, stream=folder.stream, producer=folder.producer, first=first, error=str(error))

    def _raws(self, row: Row) -> list[msgspec.Raw]:
        """A group that is read in several steps is unpacked once."""
        if self._decoded is None or self._decoded[0] != row.first:
            self._decoded = (row.first, raws(row.group))
        return self._decoded[1]

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._close_segment()
        if self._tip is not None:
            self._tip.close()
            self._tip = None
