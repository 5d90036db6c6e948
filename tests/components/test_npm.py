"""What comes from the npm registry is what was pinned, or nothing."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.components.component import Missing
from tests.components.npm import NpmPackage

WANTED = NpmPackage("thing", "1.2.3", "sha512-pinned", "dist/thing.js")
NPM = """#!/bin/sh
for last in "$@"; do folder="$previous"; previous="$last"; done
cp "{packed}" "$folder/thing-1.2.3.tgz"
echo '{told}'
"""


@pytest.fixture(autouse=True)
def _cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _registry(monkeypatch: pytest.MonkeyPatch, folder: Path, integrity: str) -> None:
    """An npm that has `thing`, as the registry would give it."""
    packed = folder / "packed.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        info = tarfile.TarInfo("package/dist/thing.js")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"thing"))
    told = json.dumps([{"filename": "thing-1.2.3.tgz", "integrity": integrity}])
    npm = folder / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM.format(packed=packed, told=told))
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=":")


def test_it_is_found_once_it_was_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _registry(monkeypatch, tmp_path, WANTED.integrity)
    assert WANTED.find() is None
    WANTED.install()
    found = WANTED.find()
    assert found is not None
    assert found.read_text() == "thing"


def test_another_content_under_the_same_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _registry(monkeypatch, tmp_path, "sha512-another")
    with pytest.raises(Missing, match="sha512-another, and sha512-pinned was expected"):
        WANTED.install()
    assert WANTED.find() is None


def test_without_npm_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="install Node"):
        WANTED.install()
