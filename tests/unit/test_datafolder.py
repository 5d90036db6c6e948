"""Taking the data folder into use."""

from pathlib import Path

import pytest

from gateway import atomicfile
from gateway.datafolder import DataFolderError, prepare, process_lock
from gateway.layout import FORMAT, DataFolder


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


@pytest.mark.parametrize("made", ["file", "long"])
def test_what_can_be_no_folder_is_one_line(tmp_path: Path, made: str) -> None:
    path = tmp_path / "data"
    if made == "file":
        path.touch()
    else:
        path = path / ("x" * 200) / ("y" * 200)
    with pytest.raises(DataFolderError, match=r"is no folder|SQLite ends there"):
        prepare(DataFolder(path))


def test_two_processes_of_one_name_are_one_too_many(tmp_path: Path) -> None:
    lock = process_lock(DataFolder(tmp_path), "proxy-0")
    with pytest.raises(DataFolderError, match="proxy-0 of data folder"):
        process_lock(DataFolder(tmp_path), "proxy-0")
    lock.close()
    process_lock(DataFolder(tmp_path), "proxy-0").close()
