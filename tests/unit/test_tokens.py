"""The files of tokens, and `tipstaff token`, which makes one."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.configfile import parse
from gateway.core.clientkeys import ClientKey
from gateway.core.identity import NAMELESS, Identity, Role, hashed
from gateway.keys import load_client_keys, load_tokens
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
    bad, missing, same = caught.value.problems
    assert "admin_tokens.1.file" in bad
    assert "64 hex digits" in bad
    assert "missing cannot be read" in missing
    assert same.endswith(f"{tmp_path / 'one'} is that of same too: give each its own")


def test_keys_of_clients_open_models(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text(hashed("shops"))
    keys = load_client_keys(settings(tmp_path, client_keys=[{"name": "shop", "file": "shop", "models": ["m"]}]))
    assert keys is not None
    assert keys.of({b"authorization": b"bearer  shops "}) == ClientKey("shop", frozenset({"m"}))
    assert keys.of({b"x-api-key": b"shops"}).opened(["m", "other"]) == ["m"]
    assert load_client_keys(settings(tmp_path)) is None
    with pytest.raises(ConfigError, match="there is no such model"):
        settings(tmp_path, client_keys=[{"name": "shop", "file": "shop", "models": ["other"]}])


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

    def test_it_makes_a_clients_key_too(self, tmp_path: Path) -> None:
        made = self.run("shop", "--client", "--hash-file", tmp_path / "shop")
        assert 'client_keys: [{name: "shop", file: ' in made.output
        keys = load_client_keys(settings(tmp_path, client_keys=[{"name": "shop", "file": "shop"}]))
        assert keys is not None
        assert keys.of({b"x-api-key": made.stdout.strip().splitlines()[-1].encode()}).name == "shop"

    @pytest.mark.parametrize(("words", "said"), [(("tipstaff",), "name: "), (("ada", "--role", "root"), "role: ")])
    def test_what_cannot_be_is_said(self, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
        made = self.run(*words, "--hash-file", tmp_path / "x")
        assert made.exit_code == 2
        assert said in made.output
        assert not (tmp_path / "x").exists()
