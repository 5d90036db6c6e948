"""The routing table's file."""

import os
from pathlib import Path

import pytest

from gateway.tablefile import BadTable, read_table, write_table
from tests.unit.proxy.support import table


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "table.json"
    assert read_table(path) is None
    write_table(path, table(1))
    write_table(path, table(2))
    assert read_table(path) == table(2)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"store_id": 3}', b"\xff", b"[" * 100_000])
def test_what_is_no_table_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with pytest.raises(BadTable, match=r"table\.json holds no routing table"):
        read_table(path)


def test_a_failed_write_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.json"
    write_table(path, table(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_table(path, table(2))
    assert read_table(path) == table(1)
    assert list(tmp_path.iterdir()) == [path]
