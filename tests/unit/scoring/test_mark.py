from pathlib import Path

import pytest

from gateway.scoring.mark import Mark, Suspect
from tests.unit.scoring.making import identifier

ONE, TWO = identifier(1), identifier(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status" / "scorer-0.mark"


def test_what_was_put_down_is_not_suspected(path: Path) -> None:
    mark = Mark(path, hung=False)
    mark.take([ONE, TWO])
    mark.put_down()
    mark.close()
    assert Mark(path, hung=False).suspect(ONE) is None


def test_each_death_with_work_in_hand_is_held_against_it(path: Path) -> None:
    Mark(path, hung=False).take([ONE, TWO])
    second = Mark(path, hung=False)
    assert second.suspect(ONE) == second.suspect(TWO) == Suspect(1, "crashed")
    second.take([TWO])
    third = Mark(path, hung=True)
    assert third.suspect(ONE) == Suspect(1, "crashed")
    assert third.suspect(TWO) == Suspect(2, "hung")


def test_a_death_with_nothing_in_hand_holds_nothing_more_against_anyone(path: Path) -> None:
    Mark(path, hung=False).take([ONE])
    Mark(path, hung=False).put_down()
    assert Mark(path, hung=False).suspect(ONE) == Suspect(1, "crashed")


def test_what_is_settled_is_forgotten_also_by_the_next_process(path: Path) -> None:
    Mark(path, hung=False).take([ONE, TWO])
    second = Mark(path, hung=False)
    second.settle([ONE])
    assert second.suspect(ONE) is None
    third = Mark(path, hung=False)
    assert third.suspect(ONE) is None
    assert third.suspect(TWO) == Suspect(1, "crashed")


@pytest.mark.parametrize("damage", [b"", b"\0" * 8, b"\xff" * 64, b"\x10\0\0\0abcdefghijkl"])
def test_a_torn_file_says_nothing(path: Path, damage: bytes) -> None:
    Mark(path, hung=False).take([ONE])
    path.write_bytes(damage)
    assert Mark(path, hung=False).suspect(ONE) is None


def test_it_is_readable_for_its_owner_only(path: Path) -> None:
    Mark(path, hung=False).take([ONE])
    assert path.stat().st_mode & 0o777 == 0o600
