"""A cached folder is whole or not there, and is built once."""

from pathlib import Path

import pytest

from tests.components.cache import build, locked
from tests.components.command import run
from tests.components.component import Missing


@pytest.fixture(autouse=True)
def _cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def _fill(folder: Path) -> None:
    (folder / "content").write_text("whole")


def _refuse(folder: Path) -> None:
    (folder / "content").write_text("half")
    raise Missing("the disk is full")


def test_a_failed_build_leaves_nothing_behind() -> None:
    with pytest.raises(Missing):
        build("thing-1", _refuse)
    folder = build("thing-1", _fill)
    assert (folder / "content").read_text() == "whole"
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["thing-1"]


def test_what_is_complete_is_not_built_again() -> None:
    assert build("thing-1", _fill) == build("thing-1", _refuse)


def test_a_folder_without_its_mark_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tipstaff" / "thing-1").mkdir(parents=True)
    assert (build("thing-1", _fill) / "content").exists()


def test_a_lock_that_another_holds_is_given_up_after_the_deadline() -> None:
    with locked("thing-1"), pytest.raises(Missing, match="another process"), locked("thing-1", deadline=0.1):
        raise AssertionError("both hold the lock")


def test_a_failed_step_is_told_by_its_last_line() -> None:
    with pytest.raises(Missing, match="no space"):
        run(("sh", "-c", "echo working; echo no space; exit 3"), deadline=10)
    with pytest.raises(Missing, match="cannot be run: No such file"):
        run(("no-such-program-here",), deadline=10)
    with pytest.raises(Missing, match="longer than"):
        run(("sleep", "5"), deadline=0.05)
