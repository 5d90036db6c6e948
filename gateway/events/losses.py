"""Which events were appended and are gone: ranges of sequences, with the reason."""

from pathlib import Path

import msgspec

from gateway import atomicfile

CORRUPT = "corrupt"
"""It was damaged: noted by whoever came upon it first, for all who had not read it."""
PURGED = "purged"
"""It had gone, for its age or for want of room, before a consumer that takes what there is came to it."""
MISSING = "missing"
"""It never came from the gateway that wrote it, and others that it wrote later did."""
REFUSED = "refused"
"""Its receiver never takes it, too large as it is, or with such a time: it is set aside."""
AFTER_APPEND = frozenset({CORRUPT, PURGED, MISSING, REFUSED})
"""All reasons: of events that the log had taken."""


class Loss(msgspec.Struct, frozen=True):
    """Sequences from `first` up to, not including, `end`."""

    first: int
    end: int
    reason: str

    @property
    def count(self) -> int:
        """How many events."""
        return self.end - self.first


class Losses:
    """A small JSON file of losses that do not overlap, replaced as a whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.all = read(path)

    def add(self, first: int, end: int, reason: str) -> int:
        """Record a range; returns how many of its events were not recorded as lost before."""
        fresh = [Loss(start, stop, reason) for start, stop in without(first, end, self.all)]
        if not fresh:
            return 0
        self.all = _joined([*self.all, *fresh])
        self._path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        atomicfile.replace(self._path, msgspec.json.encode(self.all), durable=True)
        return sum(loss.count for loss in fresh)


def read(path: Path) -> list[Loss]:
    """The losses recorded at `path`, ascending; none when there is no such file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Loss])
    except FileNotFoundError:
        return []


def without(first: int, end: int, known: list[Loss]) -> list[tuple[int, int]]:
    """The parts of a range, as (first, end), that are in none of the `known` losses, which ascend."""
    pieces = []
    for loss in known:
        if loss.end <= first or loss.first >= end:
            continue
        if loss.first > first:
            pieces.append((first, loss.first))
        first = max(first, loss.end)
    if first < end:
        pieces.append((first, end))
    return pieces


def _joined(losses: list[Loss]) -> list[Loss]:
    result: list[Loss] = []
    for loss in sorted(losses, key=lambda each: each.first):
        if result and result[-1].end == loss.first and result[-1].reason == loss.reason:
            result[-1] = Loss(result[-1].first, loss.end, loss.reason)
        else:
            result.append(loss)
    return result
