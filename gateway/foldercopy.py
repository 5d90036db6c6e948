"""A folder that grows hidden beside its place, and appears there whole or not at all."""

import hashlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway import atomicfile


def growing(target: Path) -> Path:
    """A new folder for what will be `target`; what an earlier attempt left there goes."""
    part = part_of(target)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True, mode=0o700)
    return part


def part_of(target: Path) -> Path:
    """Where it grows."""
    return target.with_name(f".{target.name.removeprefix('.')}.part")


def copy_file(source: Path, target: Path) -> None:
    """Copy the content; makes the folders above `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def appear(part: Path, target: Path) -> None:
    """Put all of `part` on the disk, files with mode 0600 and folders with 0700, and rename it to `target`."""
    for path in sorted({part, *part.rglob("*")}, reverse=True):
        path.chmod(0o700 if path.is_dir() else 0o600)
        atomicfile.sync(path)
    move(part, target)


def move(folder: Path, target: Path) -> None:
    """Rename it, durably, within the folder that both lie in."""
    folder.rename(target)
    atomicfile.sync(target.parent)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def numbered(first: Path) -> Iterator[Path]:
    """`first`, then `first.2`, `first.3` and so on beside it: names for what must not replace anything."""
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}.{number}")
