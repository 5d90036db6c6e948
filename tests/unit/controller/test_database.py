from pathlib import Path

import pytest

from gateway.controller.database import StorageUnusable, open_database


def test_what_cannot_be_opened_is_named_with_a_reason(tmp_path: Path) -> None:
    taken = tmp_path / "state.sqlite"
    taken.mkdir()
    with pytest.raises(StorageUnusable, match=r"/state\.sqlite cannot be used: unable to open .* \(is a quota"):
        open_database(taken, "", 1)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "controller").touch()
    with pytest.raises(StorageUnusable, match="/controller cannot be used: File exists"):
        open_database(tmp_path / "controller" / "state.sqlite", "", 1)
