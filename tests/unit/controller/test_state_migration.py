"""A state file of an older tipstaff: copied, then migrated; one that cannot be read is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.controller.database import FormatError, StorageUnusable, open_database
from gateway.controller.kept_copy import keep_copy
from gateway.controller.sqlite_state import SqliteStateStore
from gateway.ports import UnitChanges
from tests.contract.state_store import decision, table
from tests.contract.state_store_rollouts import save, some_rows, step, unit

_TABLES_OF_1 = {"head", "decisions", "positions"}
_SINCE_1 = ("rollouts", "units", "queue", "inputs", "forgotten", "named")


def _file_of_format_1(folder: Path) -> Path:
    """As 0.1 wrote it: the tables of rollouts taken away again, with something in the others."""
    path = folder / "state.sqlite"
    store = SqliteStateStore.open(path, "a-store")
    store.save(store.head(), table(store.head()), [decision(1)], {"scorer-0": 7})
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for name in _SINCE_1:
            connection.execute(f"DROP TABLE {name}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    return path


def _look(path: Path) -> tuple[int, set[str]]:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return version, {name for (name,) in names if not name.startswith("sqlite_")}


def test_a_state_of_format_1_keeps_what_it_had_and_takes_rollouts(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    assert _look(path) == (1, _TABLES_OF_1)
    store = SqliteStateStore.open(path, "never-used")
    kept = store.table()
    assert (kept is not None, store.positions()) == (True, {"scorer-0": 7})
    assert [entry.id for _, entry in store.decisions(0, 10)] == ["d1"]
    assert (store.head().store_id, store.head().epoch) == ("a-store", 2)
    save(store, step(units=UnitChanges(some_rows([1]), [(1, unit(1))]), inputs=[b"a"]))
    store.close()
    assert _look(path) == (3, _TABLES_OF_1 | set(_SINCE_1))


def test_the_copy_of_before_a_migration_is_what_the_older_tipstaff_reads(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    SqliteStateStore.open(path, "never-used").close()
    copy = tmp_path / "state.sqlite.v1"
    assert {found.name for found in tmp_path.iterdir()} == {"state.sqlite", copy.name}
    assert _look(copy) == (1, _TABLES_OF_1)
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT store_id, epoch, version FROM head").fetchone() == ("a-store", 1, 1)
        assert connection.execute("SELECT count(*) FROM decisions").fetchone() == (1,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_copy_is_never_replaced(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    (tmp_path / "state.sqlite.v1").write_bytes(b"of another upgrade")
    (tmp_path / "state.sqlite.v1.part").write_bytes(b"of an attempt that was killed")
    SqliteStateStore.open(path, "never-used").close()
    assert (tmp_path / "state.sqlite.v1").read_bytes() == b"of another upgrade"
    assert _look(tmp_path / "state.sqlite.v1.2") == (1, _TABLES_OF_1)
    assert not (tmp_path / "state.sqlite.v1.part").exists()


def test_an_attempt_that_is_made_again_finds_its_copy(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    assert [keep_copy(path, "copy").name for _ in range(3)] == ["copy"] * 3
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE head SET version = version + 1")
        connection.commit()
    assert keep_copy(path, "copy").name == "copy.2"
    assert not (tmp_path / "copy.part").exists()


def test_nobody_writes_between_the_copy_and_the_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file_of_format_1(tmp_path)
    tried = []

    def copy_while_another_writes(source: Path, name: str) -> Path:
        with (
            closing(sqlite3.connect(source, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError) as raised,
        ):
            other.execute("UPDATE head SET version = version + 1")
        tried.append(str(raised.value))
        return keep_copy(source, name)

    monkeypatch.setattr("gateway.controller.database.keep_copy", copy_while_another_writes)
    SqliteStateStore.open(path, "never-used").close()
    assert tried == ["database is locked"]


def test_a_migration_that_fails_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    with pytest.raises(StorageUnusable, match="head already exists"):
        open_database(path, "", 3, {1: "CREATE TABLE a (x)", 2: "CREATE TABLE b (x); CREATE TABLE head (x)"})
    assert _look(path) == (1, _TABLES_OF_1)


def test_migrations_are_taken_one_after_the_other(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    open_database(path, "", 3, {1: "CREATE TABLE a (x)", 2: "ALTER TABLE a RENAME TO b"}).close()
    assert _look(path) == (3, _TABLES_OF_1 | {"b"})


def test_what_cannot_be_read_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = _file_of_format_1(tmp_path)
    with pytest.raises(FormatError, match="has format 1, this tipstaff reads 3"):
        open_database(path, "", 3, {1: "CREATE TABLE a (x)"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    with pytest.raises(FormatError, match="has format 4, this tipstaff reads 3: run the one that wrote it"):
        SqliteStateStore.open(path, "never-used")
    assert _look(path) == (4, _TABLES_OF_1)
    assert [found.name for found in tmp_path.iterdir()] == ["state.sqlite"]
