"""Takes the data folder into use: makes it, checks its format, keeps a second process out."""

import fcntl
import os
from pathlib import Path
from typing import Self

from gateway import atomicfile
from gateway.layout import FORMAT, DataFolder

_LONGEST_PATH = 350
"""SQLite opens paths of up to 512 bytes: the rest is for what lies in the folder."""


class DataFolderError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class ProcessLock:
    """An exclusive lock on a file, held until `close` or the process's death, kill -9 included."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, what: str) -> Self:
        """Lock `path`; `what` names the thing in the error. Raises DataFolderError when somebody holds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise DataFolderError(
                f"{what} is in use by process {holder}: stop it, or give this one another `data` folder"
            ) from error
        pid = f"{os.getpid()}\n".encode()
        os.pwrite(descriptor, pid, 0)  # before the rest is cut off: on a full disk the block would be gone
        os.ftruncate(descriptor, len(pid))
        return cls(descriptor)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def prepare(folder: DataFolder) -> None:
    """Make the folder (mode 0700) and its format file, or check the format. Raises DataFolderError."""
    if len(os.fsencode(folder.root)) > _LONGEST_PATH:
        raise DataFolderError(
            f"data folder {folder.root}: a path of more than {_LONGEST_PATH} bytes; SQLite ends there"
        )
    if folder.root.exists() and not folder.root.is_dir():
        raise DataFolderError(f"data folder {folder.root}: is no folder; name another one in `data`")
    try:
        folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.format.exists():
            atomicfile.replace(folder.format, f"{FORMAT}\n".encode(), durable=True)
        found = folder.format.read_text().strip()
    except OSError as error:
        raise DataFolderError(f"data folder {folder.root}: {error.strerror}; name another one in `data`") from error
    if found != str(FORMAT):
        raise DataFolderError(
            f"data folder {folder.root} has format {found!r}, this tipstaff reads {FORMAT}: "
            "run the version that wrote it, or name another folder in `data`"
        )


def process_lock(folder: DataFolder, process: str) -> ProcessLock:
    """The lock of one process's own files: two of one name would write the same ones."""
    return ProcessLock.take(folder.process_lock(process), f"{process} of data folder {folder.root}")
