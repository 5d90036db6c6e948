"""The files of tokens, and `tipstaff token`, which makes one."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.configfile import parse
from gateway.core.identity import NAMELESS, Identity, Role, hashed
from gateway.keys import load_tokens
from gateway.settings import ConfigError, Settings

MODELS = {"m": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}


def settings(folder: Path, **more: Any) -> Settings:  # noqa: ANN401 - configuration
    return parse({"models": MODELS, **more}, folder, {})


def test_files_hold_a_token_or_its_hash(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("s3cret\n")
    (tmp_path / "ada").write_text(hashed("adas") + "\n")
    tokens = load_tokens(
        settings(tmp_path, admin_token_file="one", admin_tokens=[{"name": "ada", "role": "viewer", "file": "ada"}])
    )
    assert tokens.of(b"s3cret") == NAMELESS
    assert tokens.of(b"adas") == Identity("ada", Role.VIEWER)
    assert not load_tokens(settings(tmp_path))


def test_every_file_that_cannot_be_used_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("s3cret")
    (tmp_path / "same").write_text(hashed("s3cret"))
    (tmp_path / "bad").write_text("sha256:12")
    named = [{"name": name, "role": "viewer", "file": name} for name in ("same", "bad", "missing")]
    with pytest.raises(ConfigError) as caught:
        load_tokens(settings(tmp_path, admin_token_file="one", admin_tokens=named))
    same, bad, missing = caught.value.problems
    assert same.startswith("admin_tokens.0.file: ")
    assert "is the token of 'operator' too" in same
    assert "64 hex digits" in bad
    assert "missing cannot be read" in missing


class TestTheCommand:
    def run(self, *words: object) -> Any:  # noqa: ANN401 - typer's result
        return CliRunner().invoke(app, ["token", *map(str, words)])

    def test_it_makes_one_that_the_gateway_knows(self, tmp_path: Path) -> None:
        file = tmp_path / "ada.hash"
        made = self.run("ada", "--role", "operator", "--hash-file", file)
        assert made.exit_code == 0, made.output
        assert file.stat().st_mode & 0o077 == 0
        token = made.stdout.strip()
        assert token.startswith("tipstaff-")
        assert token not in file.read_text()
        found = settings(tmp_path, admin_tokens=[{"name": "ada", "role": "operator", "file": "ada.hash"}])
        assert load_tokens(found).of(token.encode()) == Identity("ada", Role.OPERATOR)
        again = self.run("ada", "--role", "operator", "--hash-file", file)
        assert (again.exit_code, "File exists" in again.output) == (2, True)

    @pytest.mark.parametrize(("words", "said"), [(("tipstaff",), "name: "), (("ada", "--role", "root"), "role: ")])
    def test_what_cannot_be_is_said(self, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
        made = self.run(*words, "--hash-file", tmp_path / "x")
        assert made.exit_code == 2
        assert said in made.output
        assert not (tmp_path / "x").exists()
