"""The unit key over the years: which one is in use, and how it becomes another."""

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway import atomicfile, unitkeys
from gateway.configfile import parse
from gateway.datafolder import prepare
from gateway.keys import load_unit_key
from gateway.layout import DataFolder
from gateway.ports import LogFull
from gateway.processlock import DataFolderError, ProcessLock
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


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file of `given`'s key."""
    path = tmp_path / "key"
    path.write_text(FIRST)
    return path


@pytest.fixture
def given(tmp_path: Path) -> Settings:
    return settings(tmp_path, unit_key_file="key")


def nobody() -> list[str]:
    return []


def take(given: Settings, data: DataFolder, now_us: int, under_way: Callable[[], list[str]] = nobody) -> bytes:
    """As a process does that starts, and ends."""
    with unitkeys.used(given, data, now_us, under_way) as key:
        return key


def told(data: DataFolder) -> list[str]:
    said: list[str] = []
    unitkeys.tell_changes(data, said.append)
    return said


def name(text: str) -> str:
    return unitkeys.fingerprint(bytes.fromhex(text))


def test_a_fingerprint_is_not_the_key_s_own_hash() -> None:
    key = bytes.fromhex(FIRST)
    assert name(FIRST) == unitkeys.fingerprint(key)
    assert name(FIRST) != name(SECOND)
    assert name(FIRST) != blake2b(key, digest_size=8).hexdigest()
    assert len(name(FIRST)) == 16


def test_the_first_key_is_taken_and_said_to_nobody(data: DataFolder, tmp_path: Path) -> None:
    take(settings(tmp_path), data, 7)
    found = unitkeys.in_use(data)
    assert found == unitkeys.InUse(unitkeys.fingerprint(load_unit_key(data.unit_key)), 7)
    assert load_unit_key(data.unit_key).hex() not in data.unit_key_in_use.read_text()
    take(settings(tmp_path), data, 9)
    assert unitkeys.in_use(data) == found
    assert told(data) == []


def test_another_key_is_refused_while_a_rollout_is_under_way(
    data: DataFolder, tmp_path: Path, key: Path, given: Settings
) -> None:
    take(given, data, 7)
    before = unitkeys.in_use(data)
    key.write_text(SECOND)
    with pytest.raises(ConfigError, match=r"a rollout of assistant is under way: finish it") as refused:
        take(given, data, 8, lambda: ["assistant"])
    assert name(FIRST) in str(refused.value)
    assert SECOND not in str(refused.value)
    assert unitkeys.in_use(data) == before
    with capture_logs() as logged:
        assert take(given, data, 9).hex() == SECOND
    assert logged[0]["event"] == "another unit key, every user is dealt anew"
    assert (logged[0]["before"], logged[0]["now"]) == (name(FIRST), name(SECOND))
    assert unitkeys.in_use(data) == unitkeys.InUse(name(SECOND), 9, (name(FIRST),))


def test_each_change_is_told_once_also_when_there_were_several(
    data: DataFolder, key: Path, given: Settings
) -> None:
    for text in (FIRST, SECOND, FIRST):
        key.write_text(text)
        take(given, data, 7)
    there = f"{name(FIRST)} became {name(SECOND)}"
    back = f"{name(SECOND)} became {name(FIRST)}"
    said: list[str] = []

    def full_after_one(subject: str) -> None:
        if said:
            raise LogFull("full")
        said.append(subject)

    with pytest.raises(LogFull):
        unitkeys.tell_changes(data, full_after_one)
    assert said == [there]
    assert told(data) == [back]
    assert told(data) == []
    data.unit_key_told.write_text("{")
    assert told(data) == [there, back]


def test_whoever_starts_beside_others_takes_their_key_or_is_refused(
    data: DataFolder, key: Path, given: Settings
) -> None:
    with unitkeys.used(given, data, 7, nobody), unitkeys.used(given, data, 8, nobody) as same:
        assert same.hex() == FIRST
        key.write_text(SECOND)
        with pytest.raises(ConfigError, match=f"{name(SECOND)}, which is not the key in use, {name(FIRST)}"):
            take(given, data, 9)
    assert take(given, data, 10).hex() == SECOND


def test_a_change_between_the_two_locks_is_seen(
    data: DataFolder, key: Path, given: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(given, data, 7)
    real = ProcessLock.let_others

    def meanwhile(lock: ProcessLock) -> None:
        real(lock)
        found = unitkeys.InUse(name(SECOND), 8)
        data.unit_key_in_use.write_bytes(msgspec.json.encode(found))

    monkeypatch.setattr(ProcessLock, "let_others", meanwhile)
    with pytest.raises(ConfigError, match="is not the key in use"):
        take(given, data, 9)


def test_no_key_is_rotated_under_somebody_who_hashes(data: DataFolder, tmp_path: Path) -> None:
    given = settings(tmp_path)
    with unitkeys.used(given, data, 7, nobody) as old, pytest.raises(DataFolderError, match="in use"):
        unitkeys.rotate(data)
    assert unitkeys.current(given, data) == old


def test_a_damaged_note_of_the_key_in_use_says_what_to_do(data: DataFolder, key: Path, given: Settings) -> None:
    take(given, data, 7)
    data.unit_key_in_use.write_text("{")
    with pytest.raises(OSError, match=r"in-use\.json does not say which unit key is in use"):
        take(given, data, 8)


def test_a_key_that_is_not_at_hand_is_missed(data: DataFolder, tmp_path: Path, key: Path, given: Settings) -> None:
    """The data folder's own is found by itself once there is a file for it."""
    own = take(settings(tmp_path), data, 1)
    for number, text in enumerate((FIRST, SECOND)):
        key.write_text(text)
        take(given, data, 2 + number)
    assert unitkeys.missing(given, data) == [name(FIRST)]
    assert unitkeys.known(given, data) == (bytes.fromhex(SECOND), own)
    (tmp_path / "old").write_text(FIRST)
    listed = settings(tmp_path, unit_key_file="key", old_unit_key_files=["old"])
    assert unitkeys.missing(listed, data) == []
    key.write_text("3" * 64)  # while it runs: hashes are still made with the second
    assert unitkeys.missing(listed, data) == [name(SECOND)]


def test_all_keys_are_known_the_current_one_first(data: DataFolder, tmp_path: Path) -> None:
    given = settings(tmp_path, old_unit_key_files=["old"])
    (tmp_path / "old").write_text(FIRST)
    keys = [unitkeys.current(given, data)]
    for _ in range(11):
        unitkeys.rotate(data)
        keys.insert(0, unitkeys.current(given, data))
    assert unitkeys.known(given, data) == (*keys, bytes.fromhex(FIRST))
    assert len(set(keys)) == 12


class Dying:
    """Counts what is done to files, and dies before doing it for the `at`th time."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.done = 0
        self._at = at
        for owner, step in ((os, "open"), (os, "fsync"), (Path, "rename")):
            patch.setattr(owner, step, self._counted(getattr(owner, step)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any step's
            if self.done == self._at:
                raise KeyboardInterrupt
            self.done += 1
            return real(*arguments, **named)

        return counted


@pytest.mark.parametrize("at", range(11))  # the lock; each of two files opened, synced, renamed, its folder synced
def test_no_key_is_lost_wherever_it_dies(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    given = settings(tmp_path)
    old = unitkeys.current(given, data)
    with monkeypatch.context() as patch:
        Dying(patch, at)
        with pytest.raises(KeyboardInterrupt):
            unitkeys.rotate(data)
    left = unitkeys.current(given, data)
    assert unitkeys.known(given, data) == ((old,) if left == old else (left, old))
    unitkeys.rotate(data)
    assert set(unitkeys.known(given, data)) == {unitkeys.current(given, data), left, old}
    assert [path.stat().st_mode & 0o777 for path in unitkeys.kept(data)] == [0o600] * len({left, old})


def test_it_dies_nowhere_else(data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unitkeys.current(settings(tmp_path), data)
    with monkeypatch.context() as patch:
        dying = Dying(patch, 11)
        unitkeys.rotate(data)
    assert dying.done == 11


@pytest.mark.parametrize("moment", ["kept", "replaced"])
def test_whoever_died_goes_on_without_a_second_copy(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    given = settings(tmp_path)
    old = unitkeys.current(given, data)
    last = data.unit_key.with_name("unit.key.1") if moment == "kept" else data.unit_key
    real = atomicfile.replace

    def dying(path: Path, content: bytes, *, durable: bool) -> None:
        real(path, content, durable=durable)
        if path == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomicfile, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            unitkeys.rotate(data)
    assert (unitkeys.current(given, data) == old) == (moment == "kept")
    unitkeys.rotate(data)
    assert old in unitkeys.known(given, data)
    assert len(unitkeys.kept(data)) == (1 if moment == "kept" else 2)


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
