"""Brings a data folder of an older format to the one that this tipstaff reads.

The folder that was used is never changed. A copy grows hidden beside it, is migrated step by step and put on the
disk. Then the folder is renamed to `data.format-1`, where it stays as it was, and the copy to `data`. Whoever is
killed on the way leaves one of these, from which the next start goes on by itself:

| beside each other lie | what the next start does |
| --- | --- |
| `data`, older; `.data.next.part`, or a whole `.data.next` | begins again: `data` may have changed |
| `data.format-1`, and the whole `.data.next`, which names it; no `data` | renames `.data.next` to `data` |
| `data`, migrated; `data.format-1` | nothing |

`.data.migrating` is the lock of the one process that does this; the others wait for it.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from gateway import atomicfile
from gateway.foldercopy import appear, copy_file, digest, move, numbered, part_of
from gateway.formats import STEPS
from gateway.layout import FORMAT, DataFolder
from gateway.processlock import DataFolderError, ProcessLock, used_by_nobody

log = structlog.get_logger(__name__)

Step = Callable[[DataFolder], None]
"""Makes of a folder, whole and used by nobody, one of the next format; all but its file `format`.

A step that dies half-way is done again on a new copy. Raises OSError, sqlite3.Error, DataFolderError.
"""

Told = Callable[[str], object]
"""Takes lines for people who wait."""

_TOLD_EVERY = 256 << 20
"""Bytes that are copied between two lines."""


class _Places(msgspec.Struct, frozen=True):
    """What lies beside each other. `root`: of the data folder, links resolved."""

    root: Path

    @property
    def copy(self) -> Path:
        """The migrated one, whole, until it takes the place of `root`."""
        return self.root.with_name(f".{self.root.name}.next")

    @property
    def part(self) -> Path:
        """The migrated one while it grows."""
        return part_of(self.copy)

    @property
    def lock(self) -> Path:
        """Held by whoever works on all this; removed at the end."""
        return self.root.with_name(f".{self.root.name}.migrating")

    def format(self) -> int | None:
        """Of what is at `root`; None where nothing is, or says no number."""
        try:
            found = (self.root / "format").read_text(errors="replace").strip()
        except FileNotFoundError:
            return None
        return int(found) if found.isascii() and found.isdigit() else None


def log_line(line: str) -> None:
    """Told by the log."""
    log.info(line)


def migrate(
    folder: DataFolder, told: Told = log_line, *, steps: Mapping[int, Step] = STEPS, target: int = FORMAT
) -> None:
    """Make a folder of an older format one of format `target`, and finish what a killed process began.

    Where there is nothing to do it does nothing: no folder, one of this format, or of one that it does not know.
    Waits for a process that is at it. Raises DataFolderError, also where a process uses the folder: then the folder
    is as it was, or the next start finishes. OSError: its format cannot be read.
    """
    places = _Places(Path(os.path.realpath(folder.root)))
    if not _due(places, target):
        return
    try:
        with _turn(places, told):
            _go_on(places, told, steps, target)
    except (OSError, sqlite3.Error) as error:
        raise DataFolderError(
            f"data folder {places.root}: cannot be migrated to format {target} now ({error}); nothing is lost, "
            "start again once that is mended"
        ) from error


def _due(places: _Places, target: int) -> bool:
    found = places.format()
    return (found is not None and found < target) or any(
        path.exists() for path in (places.lock, places.copy, places.part)
    )


@contextmanager
def _turn(places: _Places, told: Told) -> Iterator[None]:
    lock = ProcessLock.wait(
        places.lock, lambda pid: told(f"data folder {places.root}: process {pid} is migrating it, waiting for that")
    )
    try:
        yield
    finally:
        places.lock.unlink(missing_ok=True)
        lock.close()


def _go_on(places: _Places, told: Told, steps: Mapping[int, Step], target: int) -> None:
    if places.copy.exists() and not (places.root / "format").exists():
        _finish(places, told)
    found = places.format()
    if found is None and places.root.exists():
        return
    if found is None or found <= target:
        _discard(places)
    if found is not None and found < target:
        _refuse_hopeless(places.root, found, steps, target)
        with used_by_nobody(DataFolder(places.root)):
            _replace(places, found, told, [steps[number] for number in range(found, target)])


def _finish(places: _Places, told: Told) -> None:
    """The second rename, for a process that was killed after the first."""
    kept = places.root.with_name(DataFolder(places.copy).migrated.read_text().strip())
    if not kept.is_dir():
        raise DataFolderError(
            f"data folder {places.root} is not there, nor is {kept}, which it was before its migration; "
            f"rename {places.copy}, which it was migrated to, to {places.root}, or remove it to begin anew"
        )
    told(f"data folder {places.root}: finishing its migration, which was broken off")
    move(places.copy, places.root)


def _discard(places: _Places) -> None:
    """A whole copy is no copy any more before its first file goes."""
    if places.part.exists():
        shutil.rmtree(places.part)
    if places.copy.exists():
        places.copy.rename(places.part)
        shutil.rmtree(places.part)


def _refuse_hopeless(root: Path, found: int, steps: Mapping[int, Step], target: int) -> None:
    for number in range(found, target):
        if number not in steps:
            raise DataFolderError(
                f"data folder {root} has format {found}, this tipstaff reads {target} and knows no way on from "
                f"{number}: start a version between the two first, or name another folder in `data`"
            )
    if root.is_mount():
        raise DataFolderError(
            f"data folder {root} has format {found} and is a mount point: what it is migrated to cannot take the "
            "place of one; move its files into a folder of their own on that disk, and name this folder in `data`"
        )


def _replace(places: _Places, found: int, told: Told, steps: Sequence[Step]) -> None:
    names = numbered(places.root.with_name(f"{places.root.name}.format-{found}"))
    kept = next(path for path in names if not path.exists())
    try:
        _build(places, found, kept.name, told, steps)
        places.root.rename(kept)
    except (OSError, sqlite3.Error, DataFolderError):
        _discard(places)
        raise
    atomicfile.sync(kept.parent)
    move(places.copy, places.root)
    told(f"data folder {places.root}: has format {found + len(steps)} now; as it was it stays in {kept}")


def _build(places: _Places, found: int, kept: str, told: Told, steps: Sequence[Step]) -> None:
    files = list(_files(places.root))
    size = sum(path.stat().st_size for path in files)
    _refuse_without_room(places.root, size)
    told(f"data folder {places.root}: migrating it to format {found + len(steps)}; {_megabytes(size)} to copy")
    places.part.mkdir(mode=0o700)
    _copy(files, size, places, told)
    data = DataFolder(places.part)
    for number, step in enumerate(steps, found):
        told(f"data folder {places.root}: from format {number} to {number + 1}")
        step(data)
    data.migrated.write_text(f"{kept}\n")
    data.format.write_text(f"{found + len(steps)}\n")
    appear(places.part, places.copy)


def _files(root: Path) -> Iterator[Path]:
    """All of it, whatever lay where in that format, but locks, what others make anew, and halves that a kill left.

    Nobody uses the folder, so what SQLite keeps beside its files belongs to them as it is.
    """
    data = DataFolder(root)
    left_out = (data.lock, data.locks)
    for path in sorted(root.iterdir()):
        if path not in left_out:
            yield from _files_at(path)


def _files_at(path: Path) -> Iterator[Path]:
    if path.name.startswith(".") or path.name.endswith("-shm"):
        return
    if path.is_symlink():
        raise DataFolderError(f"{path} is a link, which no migration follows: put what it names in its place")
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            yield from _files_at(inner)
    elif path.is_file():
        yield path


def _refuse_without_room(root: Path, size: int) -> None:
    """The steps may need some more than what there is."""
    needed, free = size + size // 10, shutil.disk_usage(root.parent).free
    if free < needed:
        raise DataFolderError(
            f"data folder {root}: to migrate it {_megabytes(needed)} are needed on its disk, beside it, and "
            f"{_megabytes(free)} are free: make room, nothing was changed"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _copy(files: Sequence[Path], size: int, places: _Places, told: Told) -> None:
    copied = told_at = 0
    for path in files:
        target = places.part / path.relative_to(places.root)
        copy_file(path, target)
        seen = path.stat()
        os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # some of it is kept by its age
        if digest(target) != digest(path):
            raise DataFolderError(f"{path} changed while it was copied: end what writes there")
        copied += seen.st_size
        if copied - told_at >= _TOLD_EVERY:
            told_at = copied
            told(f"data folder {places.root}: copied {_megabytes(copied)} of {_megabytes(size)}")
