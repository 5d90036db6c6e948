"""The unit key over the years: which one is in use, and how it becomes another."""

from pathlib import Path
from typing import Any

import pytest

from gateway import atomicfile, unitkeys
from gateway.configfile import parse
from gateway.datafolder import prepare
from gateway.keys import load_unit_key
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings

MODELS = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}
FIRST, SECOND = "1" * 64, "2" * 64


def settings(folder: Path, **more: Any) -> Settings:  # noqa: ANN401 - configuration
    return parse({"models": MODELS, "data": "data", **more}, folder, {})


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    prepare(found)
    return found


def nobody() -> list[str]:
    return []


def test_the_first_key_is_taken_and_said_to_nobody(data: DataFolder, tmp_path: Path) -> None:
    unitkeys.take_into_use(settings(tmp_path), data, 7, nobody)
    found = unitkeys.in_use(data)
    assert found is not None
    assert (found.since_us, found.before) == (7, ())
    assert found.fingerprint == unitkeys.fingerprint(load_unit_key(data.unit_key))
    assert load_unit_key(data.unit_key).hex() not in data.unit_key_in_use.read_text()
    assert unitkeys.untold(data) is None
    unitkeys.take_into_use(settings(tmp_path), data, 9, nobody)
    assert unitkeys.in_use(data) == found


def test_another_key_is_refused_while_a_rollout_is_under_way(data: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FIRST)
    given = settings(tmp_path, unit_key_file="key")
    unitkeys.take_into_use(given, data, 7, nobody)
    before = unitkeys.in_use(data)
    (tmp_path / "key").write_text(SECOND)
    with pytest.raises(ConfigError, match=r"a rollout of assistant is under way: finish it"):
        unitkeys.take_into_use(given, data, 8, lambda: ["assistant"])
    assert unitkeys.in_use(data) == before
    unitkeys.take_into_use(given, data, 9, nobody)
    found = unitkeys.untold(data)
    assert found is not None
    assert before is not None
    assert (found.since_us, found.before) == (9, (before.fingerprint,))
    unitkeys.tell(data, found)
    assert unitkeys.untold(data) is None


def test_all_keys_are_known_the_current_one_first(data: DataFolder, tmp_path: Path) -> None:
    given = settings(tmp_path, old_unit_key_files=["old"])
    (tmp_path / "old").write_text(FIRST)
    keys = [unitkeys.current(given, data)]
    for _ in range(11):
        unitkeys.rotate(data)
        keys.insert(0, unitkeys.current(given, data))
    assert unitkeys.known(given, data) == (*keys, bytes.fromhex(FIRST))
    assert len(set(keys)) == 12


@pytest.mark.parametrize("at", [0, 1])
def test_no_key_is_lost_wherever_it_dies(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    given = settings(tmp_path)
    old = unitkeys.current(given, data)
    real, calls = atomicfile.replace, 0

    def dying(path: Path, content: bytes, *, durable: bool) -> None:
        nonlocal calls
        if calls == at:
            raise KeyboardInterrupt
        calls += 1
        real(path, content, durable=durable)

    with monkeypatch.context() as broken:
        broken.setattr(atomicfile, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            unitkeys.rotate(data)
    assert unitkeys.current(given, data) == old
    unitkeys.rotate(data)
    assert unitkeys.known(given, data) == (unitkeys.current(given, data), old)
    assert len(unitkeys.kept(data)) == 1


def test_a_kept_key_is_not_overwritten_where_an_older_one_was_deleted(data: DataFolder, tmp_path: Path) -> None:
    given = settings(tmp_path)
    unitkeys.current(given, data)
    unitkeys.rotate(data)
    second = unitkeys.current(given, data)
    unitkeys.rotate(data)
    data.unit_key.with_name("unit.key.1").unlink()
    third = unitkeys.current(given, data)
    unitkeys.rotate(data)
    assert unitkeys.known(given, data)[1:] == (third, second)


def test_one_process_of_several_does_not_change_the_key(data: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FIRST)
    given = settings(tmp_path, unit_key_file="key")
    assert unitkeys.take_into_use(given, data, 7, nobody, change=False).hex() == FIRST
    (tmp_path / "key").write_text(SECOND)
    with pytest.raises(ConfigError, match="is not the key in use"):
        unitkeys.take_into_use(given, data, 8, nobody, change=False)


def test_a_key_that_is_not_at_hand_is_missed(data: DataFolder, tmp_path: Path) -> None:
    """The data folder's own is found by itself once there is a file for it."""
    unitkeys.take_into_use(settings(tmp_path), data, 1, nobody)
    for number, key in enumerate((FIRST, SECOND)):
        (tmp_path / "key").write_text(key)
        unitkeys.take_into_use(settings(tmp_path, unit_key_file="key"), data, 2 + number, nobody)
    given = settings(tmp_path, unit_key_file="key")
    assert unitkeys.missing(given, data) == [unitkeys.fingerprint(bytes.fromhex(FIRST))]
    (tmp_path / "old").write_text(FIRST)
    assert unitkeys.missing(settings(tmp_path, unit_key_file="key", old_unit_key_files=["old"]), data) == []
    assert load_unit_key(data.unit_key) in unitkeys.known(given, data)
