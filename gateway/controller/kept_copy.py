"""A copy of an SQLite file that is kept beside it, before something is done that cannot be undone."""

import filecmp
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.atomicfile import sync
from gateway.foldercopy import numbered


def keep_copy(path: Path, name: str) -> Path:
    """Copy the database at `path`, as last committed, to `name` beside it; on disk when this returns.

    No copy is ever replaced: where `name` is taken by another content it is `name.2`, `name.3`, ... The caller
    keeps others from writing and from copying meanwhile. Raises OSError, sqlite3.Error.
    """
    part = path.with_name(f"{name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
    sync(part)
    for target in numbered(path.with_name(name)):
        if not target.exists():
            part.rename(target)
            break
        if filecmp.cmp(part, target, shallow=False):  # of an attempt that ended before it was done
            part.unlink()
            break
    sync(path.parent)
    return target
