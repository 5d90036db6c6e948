"""Files that others read while they are replaced: a reader sees the old content or the new, never half of it."""

import os
from pathlib import Path


def replace(path: Path, content: bytes, *, durable: bool) -> None:
    """Put `content` in the place of `path`, mode 0600; makes its folder, but none above it. Raises OSError.

    One writer per path. `durable`: file and folder are on the disk when this returns; without it a power cut
    may bring the old content back. A writer killed on the way leaves one hidden file, which the next replaces.
    """
    path.parent.mkdir(exist_ok=True)  # a data folder that somebody took away must not come back empty
    beside = path.with_name(f".{path.name}.new")
    try:
        write(beside, content, durable=durable)
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def write(path: Path, content: bytes, *, durable: bool) -> None:
    """Write `content` to `path` itself, mode 0600, from its start."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - Path.open takes no descriptor
        file.write(content)
        file.flush()
        if durable:
            os.fsync(descriptor)


def sync(path: Path) -> None:
    """Make a file's content, or the names just made or moved in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
