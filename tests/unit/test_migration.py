"""Migrations of the data folder: what they keep, what they refuse, what they say."""

import errno
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway import migration
from gateway.backup import MANIFEST, backup, restore
from gateway.datafolder import prepare
from gateway.foldercopy import digest
from gateway.layout import FORMAT, DataFolder
from gateway.migration import Step, migrate
from gateway.processlock import DataFolderError
from tests.support.migrating import NEW, STEPS, beside, content, next_start, old_folder


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return old_folder(tmp_path / "data", kilobytes=1)


def raising(error: Exception) -> Step:
    """A step that fails half-way."""

    def step(data: DataFolder) -> None:
        data.counter_file("proxy-0").write_bytes(b"half")
        raise error

    return step


def test_the_migrated_folder_takes_the_place_of_the_old_one_which_stays(data: DataFolder) -> None:
    before, written = content(data.root), data.mark("scorer-0").stat().st_mtime_ns
    told: list[str] = []
    prepare(data, told.append, steps=STEPS, target=NEW)
    kept = DataFolder(data.root.with_name("data.format-1"))
    assert content(kept.root) == before
    assert data.format.read_text() == f"{NEW}\n"
    assert data.counter_file("proxy-1").read_bytes().startswith(b"three")
    changed = {name for name, found in content(data.root).items() if found != before[name]}
    assert changed == {"format", *(name for name in before if name.startswith("counters/"))}
    assert data.mark("scorer-0").stat().st_mtime_ns == written
    assert {path.stat().st_mode & 0o077 for path in data.root.rglob("*")} == {0}
    assert data.migrated.read_text() == "data.format-1\n"
    assert beside(data.root) == {"data", "data.format-1"}
    assert [line.split(": ", 1)[1] for line in told] == [
        "migrating it to format 3; 0.0 MB to copy",
        "from format 1 to 2",
        "from format 2 to 3",
        f"has format 3 now; as it was it stays in {kept.root}",
    ]


def test_nothing_is_done_twice(data: DataFolder) -> None:
    next_start(data.root)
    before = content(data.root)
    told: list[str] = []
    prepare(data, told.append, steps=STEPS, target=NEW)
    assert (content(data.root), told) == (before, [])


def test_no_folder_that_is_kept_is_overwritten(data: DataFolder, tmp_path: Path) -> None:
    shutil.copytree(data.root, tmp_path / "again")
    next_start(data.root)
    first = content(tmp_path / "data.format-1")
    shutil.rmtree(data.root)
    (tmp_path / "again").rename(data.root)
    data.counter_file("proxy-0").write_bytes(b"one and more")
    second = content(data.root)
    next_start(data.root)
    assert content(tmp_path / "data.format-1") == first
    assert content(tmp_path / "data.format-1.2") == second
    assert data.migrated.read_text() == "data.format-1.2\n"


def test_long_work_is_told_as_it_goes_on(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_TOLD_EVERY", 4000)
    told: list[str] = []
    migrate(data, told.append, steps=STEPS, target=NEW)
    assert [line for line in told if "copied 0.0 MB of 0.0 MB" in line]


def test_what_sqlite_had_not_yet_checked_in_comes_along(data: DataFolder, tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite"
    with closing(sqlite3.connect(live, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE said (word)")
        database.execute("INSERT INTO said VALUES ('kept')")
        for suffix in ("", "-wal", "-shm"):  # as a kill -9 leaves them
            shutil.copy(f"{live}{suffix}", data.root / f"said.sqlite{suffix}")
    next_start(data.root)
    assert not (data.root / "said.sqlite-shm").exists()
    with closing(sqlite3.connect(data.root / "said.sqlite")) as database:
        assert database.execute("SELECT word FROM said").fetchall() == [("kept",)]


@pytest.mark.parametrize("found", [str(NEW + 1), "three", ""])
def test_a_newer_or_unknown_format_is_refused_and_not_touched(data: DataFolder, found: str) -> None:
    data.format.write_text(found)
    before = content(data.root)
    with pytest.raises(DataFolderError, match=f"has format '{found}', this tipstaff reads {NEW}"):
        next_start(data.root)
    assert content(data.root) == before
    assert beside(data.root) == {"data"}


def test_a_format_without_a_way_on_is_refused(data: DataFolder) -> None:
    with pytest.raises(DataFolderError, match="has format 1, this tipstaff reads 3 and knows no way on from 2"):
        prepare(data, steps={1: STEPS[1]}, target=NEW)
    assert beside(data.root) == {"data"}


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), sqlite3.DatabaseError("malformed"), DataFolderError("odd")],
    ids=lambda error: type(error).__name__,
)
def test_a_step_that_fails_leaves_the_folder_as_it_was(data: DataFolder, error: Exception) -> None:
    before = content(data.root)
    with pytest.raises(DataFolderError, match=str(error.args[-1])):
        prepare(data, steps={**STEPS, 2: raising(error)}, target=NEW)
    assert content(data.root) == before
    assert beside(data.root) == {"data"}
    next_start(data.root)


def test_a_step_that_is_wrong_is_begun_again(data: DataFolder) -> None:
    """An error that no step should raise passes; what it leaves is not what the next start goes on from."""
    with pytest.raises(ZeroDivisionError):
        prepare(data, steps={**STEPS, 2: raising(ZeroDivisionError())}, target=NEW)
    assert beside(data.root) == {"data", ".data.next.part"}
    next_start(data.root)
    assert beside(data.root) == {"data", "data.format-1"}


def test_who_writes_while_it_is_copied_is_noticed(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        source.write_bytes(b"another")

    monkeypatch.setattr(migration, "copy_file", copied)
    with pytest.raises(DataFolderError, match="changed while it was copied"):
        next_start(data.root)
    assert beside(data.root) == {"data"}


def test_a_link_in_the_folder_is_refused(data: DataFolder, tmp_path: Path) -> None:
    data.texts.rename(tmp_path / "larger disk")
    data.texts.symlink_to(tmp_path / "larger disk")
    with pytest.raises(DataFolderError, match=f"{data.texts} is a link"):
        next_start(data.root)
    assert beside(data.root) == {"data", "larger disk"}


def test_a_link_to_the_folder_stays_one(data: DataFolder, tmp_path: Path) -> None:
    link = tmp_path / "etc" / "data"
    link.parent.mkdir()
    link.symlink_to(data.root)
    next_start(link)
    assert beside(link) == {"data"}
    assert link.readlink() == data.root
    assert beside(data.root) == {"data", "data.format-1", "etc"}
    assert DataFolder(link).format.read_text() == f"{NEW}\n"


def between(data: DataFolder) -> tuple[Path, Path]:
    """As a kill between the two renames leaves it: the old folder and the copy."""
    next_start(data.root)
    copy = data.root.with_name(".data.next")
    data.root.rename(copy)
    return data.root.with_name("data.format-1"), copy


@pytest.mark.parametrize("made", [False, True])
def test_the_second_rename_is_made_by_the_next_start(data: DataFolder, made: bool) -> None:  # noqa: FBT001
    _, copy = between(data)
    migrated = content(copy)
    if made:
        data.root.mkdir()
    told: list[str] = []
    prepare(data, told.append, steps=STEPS, target=NEW)
    assert content(data.root) == migrated
    assert told == [f"data folder {data.root}: finishing its migration, which was broken off"]
    assert beside(data.root) == {"data", "data.format-1"}


def test_the_only_copy_there_is_is_never_removed(data: DataFolder, tmp_path: Path) -> None:
    kept, copy = between(data)
    kept.rename(tmp_path / "elsewhere")
    with pytest.raises(DataFolderError, match=f"rename {copy}, which it was migrated to, to {data.root}"):
        next_start(data.root)
    assert beside(data.root) == {".data.next", "elsewhere"}


def test_a_folder_that_stands_in_the_way_loses_nothing(data: DataFolder) -> None:
    _, copy = between(data)
    data.locks.mkdir(parents=True)
    with pytest.raises(DataFolderError, match="Directory not empty"):
        next_start(data.root)
    data.locks.rmdir()
    next_start(data.root)
    assert not copy.exists()


def test_a_copy_is_made_anew_when_the_old_version_went_on_in_between(data: DataFolder) -> None:
    stale = data.root.with_name(".data.next")
    shutil.copytree(data.root, stale)
    data.counter_file("proxy-0").write_bytes(b"one and more")
    next_start(data.root)
    assert data.counter_file("proxy-0").read_bytes() == b"three and more"
    assert beside(data.root) == {"data", "data.format-1"}


def test_a_copy_that_never_became_whole_is_no_data_folder(data: DataFolder, tmp_path: Path) -> None:
    """It died while it copied, and then people moved the folder away."""
    with pytest.raises(ZeroDivisionError):
        prepare(data, steps={**STEPS, 1: raising(ZeroDivisionError())}, target=NEW)
    data.root.rename(tmp_path / "moved")
    next_start(data.root)
    assert content(data.root).keys() == {"format"}
    assert beside(data.root) == {"data", "moved"}


def test_leftovers_go_with_the_next_start_of_a_folder_that_needs_nothing(data: DataFolder) -> None:
    next_start(data.root)
    shutil.copytree(data.root, data.root.with_name(".data.next"))
    data.root.with_name(".data.next.part").mkdir()
    data.root.with_name(".data.migrating").touch()
    next_start(data.root)
    assert beside(data.root) == {"data", "data.format-1"}


def _without_counters(data: DataFolder) -> None:
    data.counter_file("proxy-0").unlink(missing_ok=True)


@pytest.mark.parametrize("older", [0, FORMAT])
def test_a_backup_of_an_older_format_is_restored_and_then_migrated(tmp_path: Path, older: int) -> None:
    data = DataFolder(tmp_path / "running")
    prepare(data)
    data.counters.mkdir()
    data.counter_file("proxy-0").write_bytes(b"to go")
    saved, back = tmp_path / "saved", DataFolder(tmp_path / "data")
    backup(data, saved, version="1", now_us=0, told=lambda _done, _name: None)
    told = json.loads((saved / MANIFEST).read_text())
    (saved / "format").write_text(f"{older}\n")
    told |= {"format": older, "files": told["files"] | {"format": digest(saved / "format")}}
    (saved / MANIFEST).write_text(json.dumps(told))
    restore(saved, back, told=lambda _done, _name: None)
    assert back.format.read_text() == f"{older}\n"
    prepare(back, steps=dict.fromkeys(range(FORMAT), _without_counters))
    assert back.format.read_text() == f"{FORMAT}\n"
    assert back.counter_file("proxy-0").exists() is (older == FORMAT)
