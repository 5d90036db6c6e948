from pathlib import Path

import pytest

from gateway.controller.known_stores import KnownStore, KnownStores, default_folder


def test_what_was_remembered_is_found_under_its_own_path_only(tmp_path: Path) -> None:
    known = KnownStores(tmp_path / "state")
    assert known.find(tmp_path / "data") is None
    assert known.remember(tmp_path / "data", "first", 1)
    assert known.remember(tmp_path / "data", "second", 2)
    assert known.find(tmp_path / "data") == KnownStore(str(tmp_path / "data"), "second", 2)
    assert known.find(tmp_path / "other") is None


def test_a_relative_path_is_the_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = KnownStores(tmp_path / "state")
    known.remember(Path("data"), "store", 1)
    assert known.find(tmp_path / "data") is not None


def test_where_nothing_can_be_written_it_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    known = KnownStores(tmp_path / "file" / "stores")
    assert not known.remember(tmp_path / "data", "store", 1)
    assert known.find(tmp_path / "data") is None


def test_a_torn_marker_is_no_marker(tmp_path: Path) -> None:
    known = KnownStores(tmp_path)
    known.remember(tmp_path / "data", "store", 1)
    (marker,) = tmp_path.glob("*.json")
    marker.write_text("{")
    assert known.find(tmp_path / "data") is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/home/ann/.local/state/tipstaff/stores"),
        ({"XDG_STATE_HOME": "/var/state"}, "/var/state/tipstaff/stores"),
        ({"XDG_STATE_HOME": "relative"}, "/home/ann/.local/state/tipstaff/stores"),
    ],
)
def test_the_folder_follows_the_xdg_rules(environment: dict[str, str], expected: str) -> None:
    assert default_folder(environment, Path("/home/ann")) == Path(expected)
