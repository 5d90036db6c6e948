"""Folders in the user's cache, built whole or not at all, shared by every clone on the machine."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.demo.vllm import COMPLETE, cache_folder, is_complete
from tests.components.component import Missing

LOCK_DEADLINE = 1800.0


@contextmanager
def locked(name: str, deadline: float = LOCK_DEADLINE) -> Iterator[None]:
    """Holds the lock `name` of this user's cache; Missing when another process keeps it past the deadline."""
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("w") as file:
        _lock(file.fileno(), name, time.monotonic() + deadline)
        yield


def _lock(descriptor: int, name: str, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Missing(f"another process holds {cache_folder() / name}.lock") from None
            time.sleep(0.2)
        else:
            return


def build(key: str, make: Callable[[Path], None]) -> Path:
    """Returns the folder `key` of the cache, calling `make(folder)` first if it is not complete.

    `make` works on a temporary folder, which is renamed once it is whole.
    """
    target = cache_folder() / key
    with locked(key):
        if not is_complete(target):
            _build(target, make)
    return target


def _build(target: Path, make: Callable[[Path], None]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(temporary)
        (temporary / COMPLETE).touch()
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
