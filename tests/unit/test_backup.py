"""A backup is whole or not there, and so is what is restored from it."""

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.backup import MANIFEST, BackupError, backup, read_manifest, restore
from gateway.datafolder import prepare
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from tests.support.events import audit, exchange, verdict
from tests.support.manual_clock import ManualClock


def quiet(_done: int, _name: str) -> None:
    """Progress that nobody looks at."""


def save(data: DataFolder, target: Path) -> None:
    backup(data, target, version="1.2.3", now_us=1_760_000_000_000_000, told=quiet)


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """A folder with a log that is still open, a key and a counter file."""
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    folder.unit_key.parent.mkdir()
    folder.unit_key.write_text("00" * 32)
    folder.counters.mkdir()
    folder.counter_file("proxy-0").write_bytes(b"\0" * 64)
    return folder


def events(data: DataFolder) -> SqliteEventLog:
    return SqliteEventLog(data.log, "controller", ManualClock())


def test_what_an_open_log_holds_comes_back_and_goes_on(data: DataFolder, tmp_path: Path) -> None:
    log = events(data)
    log.append("audit", [audit(1), audit(2)])
    save(data, tmp_path / "saved")
    log.append("audit", [audit(3)])
    log.close()
    back = DataFolder(tmp_path / "back")
    restored = restore(tmp_path / "saved", back, told=quiet)
    assert (restored.version, restored.made_us) == ("1.2.3", 1_760_000_000_000_000)
    again = events(back)
    read = again.read("audit", {}, 10)
    assert [entry.event for entry in read.entries] == [audit(1), audit(2)]
    assert again.appended("audit") == 2
    again.append("audit", [audit(4)])
    assert [entry.sequence for entry in again.read("audit", read.positions, 10).entries] == [2]
    again.close()
    assert back.unit_key.read_text() == "00" * 32
    assert {path.stat().st_mode & 0o077 for path in back.root.rglob("*")} == {0}
    assert not list(back.root.rglob("*.lock"))


def test_nobody_has_read_more_than_there_is(data: DataFolder, tmp_path: Path) -> None:
    """While file after file is copied, one goes on writing and another reading."""
    clock = ManualClock()
    proxy, scorer = (SqliteEventLog(data.log, name, clock) for name in ("proxy-0", "scorer-0"))
    numbers = iter(range(1000))

    def goes_on(_done: int = 0, _name: str = "") -> None:
        proxy.append("exchanges", [exchange(next(numbers))])
        read = scorer.read("exchanges", scorer.consumed("exchanges"), 10)
        scorer.append("verdicts", [verdict(next(numbers))], {"exchanges": read.positions})

    goes_on()
    backup(data, tmp_path / "saved", version="1", now_us=0, told=goes_on)
    proxy.close()
    scorer.close()
    back = DataFolder(tmp_path / "back")
    restore(tmp_path / "saved", back, told=quiet)
    proxy, scorer = (SqliteEventLog(back.log, name, clock) for name in ("proxy-0", "scorer-0"))
    assert 0 < scorer.consumed("exchanges")["proxy-0"] <= proxy.appended("exchanges")
    assert scorer.appended("verdicts") == scorer.consumed("exchanges")["proxy-0"]
    left = scorer.read("exchanges", scorer.consumed("exchanges"), 1000)
    assert len(left.entries) == proxy.appended("exchanges") - scorer.consumed("exchanges")["proxy-0"] > 0
    proxy.close()
    scorer.close()


def test_nothing_is_overwritten(data: DataFolder, tmp_path: Path) -> None:
    save(data, tmp_path / "saved")
    with pytest.raises(BackupError, match="is there already"):
        save(data, tmp_path / "saved")
    with pytest.raises(BackupError, match="nothing is overwritten"):
        restore(tmp_path / "saved", data, told=quiet)
    with pytest.raises(BackupError, match="is no data folder"):
        save(DataFolder(tmp_path / "saved" / "keys"), tmp_path / "other")


def test_a_file_that_goes_meanwhile_is_left_out(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = events(data)
    log.append("audit", [audit(1)])
    segment = next((data.log / "audit").rglob("*.sqlite"))
    real = sqlite3.connect

    def purged(target: object, **more: object) -> sqlite3.Connection:
        segment.unlink(missing_ok=True)
        return real(target, **more)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", purged)
    save(data, tmp_path / "saved")
    assert not [name for name in read_manifest(tmp_path / "saved").files if name.endswith(".sqlite")]
    log.close()


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest", "format"])
def test_a_damaged_backup_makes_no_folder(data: DataFolder, tmp_path: Path, damage: str) -> None:
    saved = tmp_path / "saved"
    save(data, saved)
    match damage:
        case "changed":
            (saved / "keys" / "unit.key").write_text("11" * 32)
        case "missing":
            (saved / "keys" / "unit.key").unlink()
        case "manifest":
            (saved / MANIFEST).write_text("{")
        case "format":
            told = json.loads((saved / MANIFEST).read_text()) | {"format": 99}
            (saved / MANIFEST).write_text(json.dumps(told))
    back = DataFolder(tmp_path / "back")
    with pytest.raises(BackupError):
        restore(saved, back, told=quiet)
    assert not back.root.exists()


def test_a_backup_does_not_go_into_the_folder_itself(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    prepare(data)
    with pytest.raises(BackupError, match="lies in the data folder itself"):
        backup(data, data.root / "copy", version="1", now_us=1, told=lambda *_: None)
    assert not (data.root / "copy").exists()
