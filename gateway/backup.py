"""A copy of the data folder that can be started from, taken while tipstaff runs; and the way back.

A consumer's file says how far it has read its producers' files. So consumers are copied before what they read: the
copy then has events that nobody has read yet, which are read after a restore, and never a position beyond the end
of a log, which would pass over what is written there later. SQLite copies each of its files as of one moment.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from gateway.foldercopy import appear, copy_file, digest, growing
from gateway.layout import FORMAT, DataFolder

MANIFEST = "backup.json"
_SQLITE = ".sqlite"
_STREAMS = ("positions", "audit", "decisions", "verdicts", "feedback", "exchanges")
"""Under the log: who has read what, then streams, each before those that its writer reads."""

Told = Callable[[int, str], None]
"""Files done, and the name of the last."""


class BackupError(Exception):
    """There is no backup, or none can be taken; the text says why and what to do."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. format: of the data folder. files: SHA-256 by path."""

    format: int
    version: str
    made_us: int
    files: dict[str, str]


def backup(data: DataFolder, target: Path, *, version: str, now_us: int, told: Told) -> Manifest:
    """Copy `data` to `target`, a folder that must not be there yet, and is there whole or not at all.

    `version`: of tipstaff, for the manifest. Raises BackupError, OSError, sqlite3.Error.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: give another folder")
    if target.resolve().is_relative_to(data.root.resolve()):
        raise BackupError(f"{target} lies in the data folder itself: give a folder elsewhere")
    if not data.format.exists():
        raise BackupError(f"{data.root} is no data folder: it has no file `format`")
    found = data.format.read_text(encoding="utf-8").strip()
    if found != str(FORMAT):
        raise BackupError(f"{data.root} has format {found}, this tipstaff copies {FORMAT}")
    part = growing(target)
    files: dict[str, str] = {}
    for path in _in_order(data):
        name = str(path.relative_to(data.root))
        if _copy(path, part / name):
            files[name] = digest(part / name)
            told(len(files), name)
    manifest = Manifest(FORMAT, version, now_us, files)
    (part / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    appear(part, target)
    return manifest


def read_manifest(source: Path) -> Manifest:
    """What a backup says of itself. Raises BackupError, also for a format newer than this tipstaff's."""
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BackupError(f"{source} is no whole backup: {MANIFEST} cannot be read ({error})") from error
    if manifest.format > FORMAT:
        raise BackupError(f"{source} is of format {manifest.format}; this tipstaff restores up to {FORMAT}")
    return manifest


def restore(source: Path, data: DataFolder, *, told: Told) -> Manifest:
    """Make the data folder from a backup, every file checked; it must not be there yet, and appears whole.

    One of an older format comes back as it was: the next start migrates it. Raises BackupError, OSError.
    """
    manifest = read_manifest(source)
    if data.root.exists():
        raise BackupError(f"{data.root} is there: stop tipstaff and move the folder away, nothing is overwritten")
    part = growing(data.root)
    for number, (name, saved) in enumerate(manifest.files.items(), 1):
        try:
            copy_file(source / name, part / name)
        except FileNotFoundError as error:
            raise BackupError(f"{source / name} is missing") from error
        if digest(part / name) != saved:
            raise BackupError(f"{source / name} is not the file that was saved: it was changed or damaged")
        told(number, name)
    appear(part, data.root)
    return manifest


def _in_order(data: DataFolder) -> Iterator[Path]:
    """All files that are kept, as they are when their turn comes."""
    yield data.format
    yield from _files(data.counters)
    yield from _files(data.state.parent)
    if data.table.exists():
        yield data.table
    for stream in _STREAMS:
        yield from _files(data.log / stream)
    yield from _files(data.texts)
    yield from _files(data.unit_key.parent)


def _files(folder: Path) -> Iterator[Path]:
    """Of a producer the tip first: it may lag behind the segments, and never be ahead."""
    for path in sorted(folder.rglob("*"), key=lambda path: (path.parent, path.name != "tip", path.name)):
        if (
            path.is_file()
            and not path.name.endswith(("-wal", "-shm", "-journal"))
            and not path.name.startswith(".")
        ):
            yield path


def _copy(source: Path, target: Path) -> bool:
    """False: the file has gone meanwhile, as segments do that everybody has read."""
    try:
        if source.name.endswith(_SQLITE):
            _snapshot(source, target)
        else:
            copy_file(source, target)
    except (sqlite3.OperationalError, FileNotFoundError):
        if source.exists():
            raise
        target.unlink(missing_ok=True)
        return False
    return True


def _snapshot(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
