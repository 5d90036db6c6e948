"""A migration of the data folder that is killed, again and again, and what the next start makes of it."""

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from gateway.layout import DataFolder
from gateway.processlock import DataFolderError, ProcessLock
from tests.support.migrating import NEW, Dying, beside, content, line_with, migrating, next_start, old_folder
from tests.support.small_disk import small_disk

TIMES = 50
Content = dict[str, str]


class Site:
    """A data folder that can be laid out anew; what is in it before and after its migration."""

    def __init__(self, folder: Path, kilobytes: int, segments: int) -> None:
        self._pattern = old_folder(folder / "pattern", kilobytes=kilobytes, segments=segments).root
        self.root = folder / "here" / "data"
        self.kept = self.root.with_name("data.format-1")
        self._copy = self.root.with_name(".data.next")
        self.lay_out()
        next_start(self.root)
        self.old, self.new = content(self._pattern), content(self.root)
        assert self.old != self.new
        self.lay_out()

    def lay_out(self) -> None:
        """As before. Linked, which is quick: whoever wrote into an old file would change the pattern too."""
        if self.root.parent.exists():
            shutil.rmtree(self.root.parent)
        shutil.copytree(self._pattern, self.root, copy_function=os.link)

    def left(self) -> str:
        """Which of the states that a death may leave: `old`, `between` the two renames, `new`."""
        if not self.root.exists():
            assert (content(self.kept), content(self._copy)) == (self.old, self.new)
            return "between"
        if self.kept.exists():
            assert (content(self.kept), content(self.root)) == (self.old, self.new)
            return "new"
        assert content(self.root) == self.old
        return "old"

    def started(self) -> None:
        """The next start: it has all of the new folder, and the old one is kept, and nothing else is left."""
        next_start(self.root)
        assert self.left() == "new"
        assert DataFolder(self.root).format.read_text() == f"{NEW}\n"
        assert beside(self.root) == {"data", "data.format-1"}


def test_whenever_it_is_killed_the_next_start_goes_on(tmp_path: Path) -> None:
    """Kill -9, 50 times, at moments that are spread over all that a whole run takes."""
    chance = random.Random(3)
    site = Site(tmp_path, kilobytes=1000, segments=5)
    left: Counter[str] = Counter()
    with Dying.started() as dying:
        whole = dying.after(site.root, None)
        assert whole is not None
        for number in range(TIMES):
            site.lay_out()
            took = dying.after(site.root, whole * (number + chance.random()) / TIMES)
            left["alive" if took else site.left()] += 1
            whole = min(whole, took or whole)
            site.started()
    assert left["alive"] < TIMES / 2, left
    assert left["old"] > TIMES / 4, left


def test_it_may_die_before_any_change_to_the_disk(tmp_path: Path) -> None:
    site = Site(tmp_path, kilobytes=1, segments=1)
    seen: list[str] = []
    with Dying.started() as dying:
        while dying.at(site.root, len(seen)):
            seen.append(site.left())
            for change in range(4):  # a kill between the two renames, and another one while that is mended
                if seen[-1] == "between" and dying.at(site.root, change):
                    assert site.left() in ("between", "new")
            site.started()
            site.lay_out()
    assert site.left() == "new"
    assert sorted(set(seen), key=seen.index) == ["old", "between", "new"]
    assert seen.count("old") > len(site.old), "each file is written, and more"


@pytest.mark.parametrize("seed", range(4))
def test_one_attempt_after_the_other_may_die(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    site = Site(tmp_path, kilobytes=1, segments=1)
    deaths = 0
    with Dying.started() as dying:
        while deaths < 12 and dying.at(site.root, chance.randrange(90)):
            deaths += 1
            site.left()
    assert deaths > 0
    site.started()


def test_one_migrates_and_the_others_wait(tmp_path: Path) -> None:
    site = Site(tmp_path, kilobytes=1, segments=1)
    with migrating(site.root, "slowly") as first:
        line_with("from format 1 to 2", first)
        with migrating(site.root) as second:
            line_with(f"process {first.pid} is migrating it, waiting for that", second)
            assert first.stdin is not None
            first.stdin.write("go on\n")
            first.stdin.flush()
            assert (first.wait(60), second.wait(60)) == (0, 0)
            assert second.stdout is not None
            assert second.stdout.read() == ""
    site.started()


def test_whoever_waits_goes_on_where_the_first_one_is_killed(tmp_path: Path) -> None:
    site = Site(tmp_path, kilobytes=1, segments=1)
    with migrating(site.root, "slowly") as first:
        line_with("from format 1 to 2", first)
        with migrating(site.root) as second:
            line_with("waiting for that", second)
            first.kill()
            assert second.wait(60) == 0
    assert site.left() == "new"
    site.started()


@pytest.mark.parametrize("used", ["lock", "locks/proxy-0.lock"])
def test_a_folder_in_use_is_left_alone(tmp_path: Path, used: str) -> None:
    site = Site(tmp_path, kilobytes=1, segments=1)
    lock = ProcessLock.take(site.root / used, "it")
    with pytest.raises(DataFolderError, match=f"in use by process {os.getpid()}"):
        next_start(site.root)
    lock.close()
    assert beside(site.root) == {"data"}
    assert site.left() == "old"
    site.started()


def test_a_disk_that_is_too_small_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        data = old_folder(disk / "data", kilobytes=1500, segments=1)
        before = content(data.root)
        with pytest.raises(
            DataFolderError, match=r"3\.4 MB are needed on its disk, beside it, and 1\.\d MB are free"
        ):
            next_start(data.root)
        assert beside(data.root) == {"data"}
        assert content(data.root) == before


def test_a_folder_that_is_a_mount_point_is_refused(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        data = old_folder(disk, kilobytes=1)
        with pytest.raises(DataFolderError, match="is a mount point"):
            next_start(data.root)
        assert beside(disk) == {"disk"}
