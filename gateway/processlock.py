"""Keeps a second process out of what one process uses."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from gateway.layout import DataFolder


class DataFolderError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class ProcessLock:
    """A lock on a file, held until `close` or the process's death, kill -9 included. `alone`: nobody shares it."""

    def __init__(self, descriptor: int, *, alone: bool = True) -> None:
        self._descriptor = descriptor
        self.alone = alone

    @classmethod
    def take(cls, path: Path, what: str) -> Self:
        """Lock `path`; `what` names the thing in the error. Raises DataFolderError when somebody holds it.

        Makes the file, and its folder, but none above it: a data folder that was moved away must not come back.
        """
        try:
            return cls(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise DataFolderError(
                f"{what} is in use by process {_holder(path)}: stop it, or give this one another `data` folder"
            ) from error

    @classmethod
    def wait(cls, path: Path, told: Callable[[str], object]) -> Self:
        """Lock `path` once nobody else holds it, which their death brings about too; `told` of who does."""
        try:
            return cls(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            told(_holder(path))
            return cls(_locked(path, fcntl.LOCK_EX))

    @classmethod
    def only(cls, path: Path) -> Self | None:
        """Lock `path` while nobody else does; None: somebody has it, alone or not."""
        try:
            return cls(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            return None

    @classmethod
    def share(cls, path: Path) -> Self:
        """Lock `path` with all others who share it, once nobody has it alone."""
        return cls(_locked(path, fcntl.LOCK_SH), alone=False)

    def let_others(self) -> None:
        """Share it from now on. Others may have it alone before that: look again at what it is for."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.alone = False

    def close(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _locked(path: Path, operation: int) -> int:
    """The descriptor of the locked file, which `path` still names: it may go, or move, before the lock is there."""
    path.parent.mkdir(exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            if _names(path, descriptor):
                if operation & fcntl.LOCK_EX:  # of those who share, none is the holder
                    _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    pid = f"{os.getpid()}\n".encode()
    os.pwrite(descriptor, pid, 0)  # before the rest is cut off: on a full disk the block would be gone
    os.ftruncate(descriptor, len(pid))


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:32].strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


@contextmanager
def used_by_nobody(data: DataFolder) -> Iterator[None]:
    """Holds the lock of a folder's supervisor, and of every process that ever ran there. Raises DataFolderError."""
    with ExitStack() as held:
        held.callback(ProcessLock.take(data.lock, f"data folder {data.root}").close)
        for path in sorted(data.locks.glob("*.lock")):
            held.callback(ProcessLock.take(path, f"{path.stem} of data folder {data.root}").close)
        yield
