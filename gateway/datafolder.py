"""Takes the data folder into use: makes it or migrates it, checks its format, keeps a second process out."""

import os
from collections.abc import Mapping

from gateway import atomicfile
from gateway.formats import STEPS
from gateway.layout import FORMAT, DataFolder
from gateway.migration import Step, Told, log_line, migrate
from gateway.processlock import DataFolderError, ProcessLock

_LONGEST_PATH = 350
"""SQLite opens paths of up to 512 bytes: the rest is for what lies in the folder."""


def prepare(
    folder: DataFolder, told: Told = log_line, *, steps: Mapping[int, Step] = STEPS, target: int = FORMAT
) -> None:
    """Make the folder (mode 0700) and its format file, migrate an older one, or check the format.

    `told`: of a migration, see `gateway.migration`. Raises DataFolderError.
    """
    if len(os.fsencode(folder.root)) > _LONGEST_PATH:
        raise DataFolderError(
            f"data folder {folder.root}: a path of more than {_LONGEST_PATH} bytes; SQLite ends there"
        )
    if folder.root.exists() and not folder.root.is_dir():
        raise DataFolderError(f"data folder {folder.root}: is no folder; name another one in `data`")
    try:
        migrate(folder, told, steps=steps, target=target)
        folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.format.exists():
            _refuse_a_lost_format(folder)
            atomicfile.replace(folder.format, f"{target}\n".encode(), durable=True)
        refuse_another_format(folder, target)
    except OSError as error:
        raise DataFolderError(f"data folder {folder.root}: {error.strerror}; name another one in `data`") from error


def refuse_another_format(folder: DataFolder, target: int = FORMAT) -> None:
    """Raises DataFolderError for a folder that this tipstaff does not read, OSError."""
    found = folder.format.read_text(errors="replace").strip()
    if found != str(target):
        raise DataFolderError(
            f"data folder {folder.root} has format {found!r}, this tipstaff reads {target}: "
            "run the version that wrote it, or name another folder in `data`"
        )


def _refuse_a_lost_format(folder: DataFolder) -> None:
    """Whatever is in it, nobody can say how to read it."""
    if any(path.exists() for path in (folder.state.parent, folder.log, folder.texts)):
        raise DataFolderError(
            f"data folder {folder.root} has files, and no file `format` says of which version they are: restore "
            f"{folder.format} (a number; the backup has it), or name another folder in `data`"
        )


def supervisor_lock(folder: DataFolder) -> ProcessLock:
    """The lock of whoever supervises the processes of a folder that is prepared. Raises DataFolderError."""
    return _still_of_this_format(folder, ProcessLock.take(folder.lock, f"data folder {folder.root}"))


def process_lock(folder: DataFolder, process: str) -> ProcessLock:
    """The lock of one process's own files, in a folder that is prepared: two of one name would write the same ones.

    Raises DataFolderError.
    """
    lock = ProcessLock.take(folder.process_lock(process), f"{process} of data folder {folder.root}")
    return _still_of_this_format(folder, lock)


def _still_of_this_format(folder: DataFolder, lock: ProcessLock) -> ProcessLock:
    """From now on nobody migrates it; since it was prepared another version may have."""
    try:
        refuse_another_format(folder)
    except (DataFolderError, OSError):
        lock.close()
        raise
    return lock
