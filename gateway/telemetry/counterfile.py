"""Numbers that survive kill -9: one memory-mapped file per writer.

Layout, all little-endian: 64 bytes of header (magic, format, slots, bytes of the key area, bytes of keys in
use, a file id: 8 random bytes that change when the file is made anew), then `slots` float64 values, then the key
area: records of a 4-byte length and a JSON `Series`. A writer appends the key before it moves the header's
"in use", so a reader never sees half a series. A store into a slot is one aligned 8-byte write, which the
kernel keeps when the process dies.

One writer per file. Within it, one thread per series: `+=` on a slot is not atomic between threads.
The writer holds a shared flock on its file, so that a reader can tell numbers of the living from those of
the dead (`alive`): the kernel lets go of it however the process ends.
"""

import fcntl
import mmap
import os
import struct
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Literal, Self

import msgspec
import structlog

log = structlog.get_logger(__name__)

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[tuple[str, str], ...]

_MAGIC = b"TIPSTCNT"
_FORMAT = 1
_HEADER = struct.Struct("<8sIIII")
_HEADER_BYTES = 64
_USED_AT = 20
_FILE_ID = slice(24, 32)
_LENGTH = struct.Struct("<I")
_SLOTS = 1 << 16
_KEY_BYTES = 1 << 23
_KEYS_AT = _HEADER_BYTES + _SLOTS * 8
_KEY_STEP = 1 << 16


class Series(msgspec.Struct, frozen=True):
    """A metric with its labels, and where its numbers lie.

    A counter or gauge has one slot; a histogram has one per upper bound, one above them all, and its sum.
    """

    name: str
    kind: Kind
    labels: Labels
    bounds: tuple[float, ...]
    slot: int

    @property
    def width(self) -> int:
        """How many slots it takes."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


class CounterFileFull(Exception):
    """No room for another series: labels have run away."""


class CounterFile:
    """A writer's own numbers. Opening an existing file goes on where it stopped."""

    def __init__(
        self,
        path: Path,
        mapping: mmap.mmap,
        known: list[Series],
        used: int,
        descriptor: int,
    ) -> None:
        self.path = path
        self._mapping = mapping
        self._descriptor = descriptor
        self._known = {(series.name, series.labels): series for series in known}
        self._count = Counts(name for name, _ in self._known)
        self._used = used
        self._next = max((series.slot + series.width for series in known), default=0)
        self._adding = Lock()
        self._view = memoryview(mapping)
        self._header = self._view[:_HEADER_BYTES].cast("I")
        self.values = self._view[_HEADER_BYTES:_KEYS_AT].cast("d")
        self._keys = self._view[_KEYS_AT:]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file at `path` (600 KB; the room for keys is taken as they come), mode 0600.

        Keys that a power cut left half on the disk end the file there: what follows them begins at 0 again.
        Raises OSError when the disk is full, ValueError when another format stands there.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits at most for a reader's look in `alive`
            if os.fstat(descriptor).st_size < _KEYS_AT + _KEY_BYTES:
                os.ftruncate(descriptor, _KEYS_AT + _KEY_BYTES)
            # A store into a hole would be a bus error once the disk is full.
            os.posix_fallocate(descriptor, 0, _KEYS_AT + _KEY_STEP)
            mapping = mmap.mmap(descriptor, _KEYS_AT + _KEY_BYTES)
            known, used = _prepared(path, mapping)
        except OSError as error:  # calls on a descriptor do not name the file
            os.close(descriptor)
            raise OSError(error.errno, error.strerror, str(path)) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, mapping, known, used, descriptor)

    def series(self, name: str, kind: Kind, labels: Labels = (), bounds: tuple[float, ...] = ()) -> Series:
        """The series of that name and labels, made at 0 when it is new. Raises CounterFileFull."""
        with self._adding:
            found = self._known.get((name, labels))
            if found is not None and (found.kind, found.bounds) == (kind, bounds):
                return found
            return self._add(name, kind, labels, bounds)

    def has(self, name: str, labels: Labels) -> bool:
        """Whether there is a series of that name and labels."""
        return (name, labels) in self._known

    def count(self, name: str) -> int:
        """How many series there are of that name."""
        return self._count[name]

    def _add(self, name: str, kind: Kind, labels: Labels, bounds: tuple[float, ...]) -> Series:
        series = Series(name, kind, labels, bounds, self._next)
        record = msgspec.json.encode(series)
        end = self._used + _LENGTH.size + len(record)
        if self._next + series.width > _SLOTS or end > _KEY_BYTES:
            raise CounterFileFull(f"{self.path} has no room for {name}{dict(labels)}: too many label values")
        self._take_room(end)
        self._keys[self._used : end] = _LENGTH.pack(len(record)) + record
        for slot in range(series.slot, series.slot + series.width):
            self.values[slot] = 0.0  # it may have been that of a series whose key was lost
        self._used = end
        # One aligned store: struct.pack_into clears its bytes first, and a kill in between would lose all keys.
        self._header[_USED_AT // 4] = end
        self._next += series.width
        self._known[(name, labels)] = series
        self._count[name] += 1
        return series

    def _take_room(self, end: int) -> None:
        """Blocks on the disk for the keys up to `end`, a step ahead."""
        if end // _KEY_STEP == self._used // _KEY_STEP:
            return
        try:
            os.posix_fallocate(self._descriptor, _KEYS_AT, min(end + _KEY_STEP, _KEY_BYTES))
        except OSError as error:
            raise CounterFileFull(f"{self.path} cannot grow: {error.strerror}") from error

    def close(self) -> None:
        """Unmap; the numbers stay in the file, its counters stand still. A second call does nothing."""
        if not self._mapping.closed:
            self.values.release()
            self._header.release()
            self._keys.release()
            self._view.release()
            self._mapping.close()
            os.close(self._descriptor)


class Counter:
    """A number that only grows."""

    __slots__ = ("_values", "slot")

    def __init__(self, file: CounterFile, name: str, labels: Labels = ()) -> None:
        self._values = file.values
        self.slot = file.series(name, "counter", labels).slot

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount` (at least 0)."""
        self._values[self.slot] += amount

    @property
    def value(self) -> float:
        """What it stands at."""
        return self._values[self.slot]


class Gauge:
    """A number that goes up and down. Writers set it anew at start: the file remembers the last run's."""

    __slots__ = ("_values", "slot")

    def __init__(self, file: CounterFile, name: str, labels: Labels = ()) -> None:
        self._values = file.values
        self.slot = file.series(name, "gauge", labels).slot

    def set(self, value: float) -> None:
        """Set it."""
        self._values[self.slot] = value

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`, which may be negative."""
        self._values[self.slot] += amount

    @property
    def value(self) -> float:
        """What it stands at."""
        return self._values[self.slot]


class Histogram:
    """Counts of observations per bucket. 0.2 µs an observation, where prometheus_client needs 3."""

    __slots__ = ("_bounds", "_sum", "_values", "slot")

    def __init__(self, file: CounterFile, name: str, labels: Labels = (), bounds: tuple[float, ...] = ()) -> None:
        self._values = file.values
        series = file.series(name, "histogram", labels, bounds)
        self._bounds = bounds
        self.slot = series.slot
        self._sum = series.slot + len(bounds) + 1

    def observe(self, value: float) -> None:
        """Count `value` in the first bucket whose upper bound is not below it."""
        values = self._values
        values[self.slot + bisect_left(self._bounds, value)] += 1.0
        values[self._sum] += value


def alive(path: Path) -> bool:
    """True while a writer has the file open. Ask from one thread at a time: the look itself is a lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class Reader:
    """Reads one writer's file again and again, also while its writer runs. What it saw of keys it remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: list[Series] = []
        self._seen = 0
        self._file_id = b""

    def read(self) -> Iterator[tuple[Series, list[float]]]:
        """Every series with its numbers, in the order in which they were made.

        A file that holds none yet has none. Raises OSError, and ValueError for one that is no counter file.
        """
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
            if mapping[:8] != _MAGIC:
                return
            file_id, used = mapping[_FILE_ID], _used(mapping)
            if file_id != self._file_id:
                self._known, self._seen, self._file_id = [], 0, file_id
            self._known.extend(_series(mapping, self._seen, used))
            self._seen = used
            taken = self._known[-1].slot + self._known[-1].width if self._known else 0
            numbers = list(struct.unpack_from(f"<{taken}d", mapping, _HEADER_BYTES))
        for series in self._known:
            yield series, numbers[series.slot : series.slot + series.width]


def read(path: Path) -> Iterator[tuple[Series, list[float]]]:
    """Every series of a file with its numbers: one look of a `Reader`."""
    return Reader(path).read()


def _prepared(path: Path, mapping: mmap.mmap) -> tuple[list[Series], int]:
    """The series that a file holds and the bytes of their keys, after giving a new file its header."""
    if mapping[:8] != _MAGIC:
        _write_header(mapping, 0)
    elif mapping[8:_USED_AT] != _header(0)[8:_USED_AT]:
        raise ValueError(f"{path} has another format of counters: move it away, and its numbers begin at 0")
    used, known, intact = _used(mapping), [], 0
    try:
        for series in _series(mapping, 0, used):
            known.append(series)
            intact += _LENGTH.size + len(msgspec.json.encode(series))
    except (ValueError, struct.error):
        log.exception("counters are lost: their keys are damaged", path=str(path), kept=len(known))
        _write_header(mapping, intact)
        return known, intact
    return known, used


def _write_header(mapping: mmap.mmap, used: int) -> None:
    """With a new file id, so that whoever reads the file starts over."""
    mapping[_FILE_ID] = os.urandom(8)
    mapping[: _HEADER.size] = _header(used)


def _header(used: int) -> bytes:
    return _HEADER.pack(_MAGIC, _FORMAT, _SLOTS, _KEY_BYTES, used)


def _used(mapping: mmap.mmap) -> int:
    return int(_HEADER.unpack_from(mapping)[4])


def _series(mapping: mmap.mmap, start: int, end: int) -> Iterator[Series]:
    keys = _KEYS_AT
    while start < end:
        (length,) = _LENGTH.unpack_from(mapping, keys + start)
        start += _LENGTH.size
        yield msgspec.json.decode(mapping[keys + start : keys + start + length], type=Series)
        start += length
