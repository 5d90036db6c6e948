"""Taking the data folder into use."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import atomicfile
from gateway.datafolder import prepare, process_lock, supervisor_lock
from gateway.layout import FORMAT, DataFolder
from gateway.processlock import DataFolderError, ProcessLock


def test_a_new_folder_says_its_format_and_is_private(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    prepare(folder)
    assert folder.format.read_text() == f"{FORMAT}\n"
    assert folder.root.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_at_the_first_start_leaves_no_half_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path / "data")

    def full(path: Path, data: bytes, *, durable: bool) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(atomicfile, "write", full)
        with pytest.raises(DataFolderError, match="No space left"):
            prepare(folder)
    prepare(folder)
    assert folder.format.read_text() == f"{FORMAT}\n"


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("99\n")
    with pytest.raises(DataFolderError, match="'99'"):
        prepare(DataFolder(tmp_path))


@pytest.mark.parametrize("made", ["file", "long", "format", "loop"])
def test_what_can_be_no_folder_is_one_line(tmp_path: Path, made: str) -> None:
    path = tmp_path / "data"
    if made == "file":
        path.touch()
    elif made == "format":
        (path / "format").mkdir(parents=True)
    elif made == "loop":
        path.symlink_to(path)
    else:
        path = path / ("x" * 200) / ("y" * 200)
    with pytest.raises(DataFolderError, match=r"is no folder|SQLite ends there|name another one in `data`"):
        prepare(DataFolder(path))


def test_two_processes_of_one_name_are_one_too_many(tmp_path: Path) -> None:
    prepare(DataFolder(tmp_path))
    lock = process_lock(DataFolder(tmp_path), "proxy-0")
    with pytest.raises(DataFolderError, match="proxy-0 of data folder"):
        process_lock(DataFolder(tmp_path), "proxy-0")
    lock.close()
    process_lock(DataFolder(tmp_path), "proxy-0").close()


@pytest.mark.parametrize("lock", [supervisor_lock, lambda folder: process_lock(folder, "proxy-0")])
def test_no_lock_is_given_on_a_folder_that_was_migrated_meanwhile(
    tmp_path: Path, lock: Callable[[DataFolder], ProcessLock]
) -> None:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    folder.format.write_text("99\n")
    with pytest.raises(DataFolderError, match="'99'"):
        lock(folder)
    folder.format.write_text(f"{FORMAT}\n")
    lock(folder).close()


def test_no_lock_brings_a_folder_back_that_was_moved_away(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with pytest.raises(FileNotFoundError):
        process_lock(folder, "proxy-0")
    assert not folder.root.exists()


@pytest.mark.parametrize("fate", ["moved", "removed"])
def test_a_lock_on_what_has_no_longer_its_name_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """Somebody else swaps the folder, or removes the lock, between its opening and its locking."""
    path = tmp_path / "data" / "lock"
    path.parent.mkdir()
    real = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        if fate == "moved":
            path.parent.rename(tmp_path / "data.format-1")
            path.parent.mkdir()
        else:
            path.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = ProcessLock.take(path, "it")
    with pytest.raises(DataFolderError, match="in use"):
        ProcessLock.take(path, "it")
    lock.close()
    ProcessLock.take(path, "it").close()


def test_a_folder_that_lost_its_format_is_refused(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    folder.log.mkdir()
    folder.format.unlink()
    with pytest.raises(DataFolderError, match="no file `format` says of which version"):
        prepare(folder)
    assert not folder.format.exists()


def test_a_lock_is_shared_or_somebody_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    alone = ProcessLock.only(path)
    assert alone is not None
    assert alone.alone
    assert ProcessLock.only(path) is None
    alone.let_others()
    other = ProcessLock.share(path)
    assert (alone.alone, other.alone) == (False, False)
    assert ProcessLock.only(path) is None
    alone.close()
    with pytest.raises(DataFolderError, match="in use"):
        ProcessLock.take(path, "it")
    other.close()
    ProcessLock.take(path, "it").close()
