"""Kept texts: found by id, put once, gone by age and by size."""

import random
from pathlib import Path

import pytest

from gateway.scoring.texts import KeptTexts, TextsUnwritable
from tests.support.manual_clock import ManualClock
from tests.unit.scoring.making import NOW_US, identifier, kept

HOUR_US = 3_600_000_000
NOISE = random.Random(1).randbytes(40_000).hex()


def texts(folder: Path, clock: ManualClock, max_bytes: int = 1 << 24, writer: str | None = "scorer-0") -> KeptTexts:
    return KeptTexts(folder, writer, clock, days=7, max_bytes=max_bytes)


def test_what_was_put_is_found_by_anyone(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    written = texts(tmp_path, clock)
    written.put([kept(1), kept(2, "other")])
    reader = texts(tmp_path, clock, writer=None)
    assert reader.get(identifier(2)) == kept(2, "other")
    assert written.get(identifier(1)) == kept(1)
    assert reader.get(identifier(3)) is None
    written.close()
    assert reader.get(identifier(1)) == kept(1)


def test_a_reader_of_an_empty_folder_finds_nothing(tmp_path: Path) -> None:
    assert texts(tmp_path / "none", ManualClock(NOW_US), writer=None).get(identifier(1)) is None


def test_putting_twice_changes_nothing(tmp_path: Path) -> None:
    written = texts(tmp_path, ManualClock(NOW_US))
    written.put([kept(1), kept(2)])
    written.put([kept(1, "another text"), kept(3)])
    assert [written.get(identifier(number)) for number in (1, 2, 3)] == [kept(1), kept(2), kept(3)]
    written.close()


def test_nobody_else_may_read(tmp_path: Path) -> None:
    written = texts(tmp_path, ManualClock(NOW_US))
    written.put([kept(1)])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    written.close()


def test_old_texts_go_and_young_ones_stay(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    written = texts(tmp_path, clock)
    written.put([kept(1), kept(2, time_us=NOW_US + 24 * HOUR_US)])
    clock.advance(6 * 86400)
    assert written.purge() == 0
    clock.advance(1.1 * 86400)
    assert written.purge() == 1
    assert written.get(identifier(1)) is None
    assert written.get(identifier(2, NOW_US + 24 * HOUR_US)) is not None
    clock.advance(30 * 86400)
    assert written.purge() == 1
    assert list((tmp_path / "scorer-0").iterdir()) == []
    written.put([kept(4, time_us=clock.now_us())])
    assert written.get(identifier(4, clock.now_us())) is not None
    written.close()


def test_the_byte_bound_holds_and_the_oldest_goes_first(tmp_path: Path) -> None:
    bound = 4 << 20
    written = texts(tmp_path, ManualClock(NOW_US), max_bytes=bound)
    for number in range(100):
        written.put([kept(number, NOISE[number:])])
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.sqlite*")) <= bound + (128 << 10)
    there = [written.get(identifier(number)) is not None for number in range(100)]
    assert not there[0]
    assert there == sorted(there)
    assert sum(there) > 15
    written.close()


def test_a_text_from_an_earlier_part_of_the_hour_is_not_put_again(tmp_path: Path) -> None:
    written = texts(tmp_path, ManualClock(NOW_US), max_bytes=4 << 20)
    for number in range(40):
        written.put([kept(number, NOISE[number:])])
    assert len(list((tmp_path / "scorer-0").glob("*.sqlite"))) > 2
    for number in range(40):
        written.put([kept(number, "changed")])
    assert all(written.get(identifier(number)) == kept(number, NOISE[number:]) for number in range(40))
    written.close()


def test_a_reader_sees_no_error_while_segments_go(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    written = texts(tmp_path, clock)
    written.put([kept(1)])
    segment = next((tmp_path / "scorer-0").glob("*.sqlite"))
    written.close()
    segment.write_bytes(b"")
    assert texts(tmp_path, clock, writer=None).get(identifier(1)) is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "scorer-0").write_text("not a folder")
    with pytest.raises(TextsUnwritable):
        texts(tmp_path, ManualClock(NOW_US)).put([kept(1)])


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    written = texts(tmp_path, ManualClock(NOW_US))
    written.put([kept(1)])
    for path in (tmp_path / "scorer-0").iterdir():
        path.unlink()
    (tmp_path / "scorer-0").rmdir()
    written.put([kept(2)])
    assert written.get(identifier(2)) == kept(2)
    written.close()


def test_forgotten_texts_are_gone_from_every_segment(tmp_path: Path) -> None:
    written = texts(tmp_path, ManualClock(NOW_US), max_bytes=1 << 23)
    for number in range(20):
        written.put([kept(number, random.Random(number).randbytes(30_000).hex())])
    assert len(list(tmp_path.rglob("*.sqlite"))) > 1
    written.forget([identifier(0), identifier(19), identifier(99)])
    assert [number for number in range(20) if written.get(identifier(number)) is None] == [0, 19]
    written.put([kept(0)])
    assert written.get(identifier(0)) == kept(0)
    written.close()
