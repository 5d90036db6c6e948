"""Secrets read from files."""

from pathlib import Path

import pytest

from gateway.keys import ensure_unit_key, load_unit_key, read_secret
from gateway.settings import ConfigError


def test_a_unit_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "unit.key"
    key = ensure_unit_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert ensure_unit_key(path) == load_unit_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["unit.key"]


def test_of_two_that_make_a_key_at_once_the_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "unit.key"

    def slow(count: int) -> bytes:
        path.write_text("ab" * 32)  # another process, between the look and the making
        return bytes(count)

    assert ensure_unit_key(path, slow) == b"\xab" * 32


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 15, "ab" * 65, "a" * 33])
def test_what_is_no_unit_key_is_refused_with_the_way_to_make_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "unit.key"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"unit_key_file: .*unit\.key"):
        load_unit_key(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe", b"line\r\nline", "schlüssel".encode()])
def test_a_secret_is_one_visible_word(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="api_key_file"):
        read_secret("api_key_file", path)


def test_a_missing_secret_names_key_and_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"api_key_file: .*nowhere cannot be read \(No such file"):
        read_secret("api_key_file", tmp_path / "nowhere")
