"""What others made is in the dashboard as they published it, with its licence."""

import re
from hashlib import sha256
from pathlib import Path

import dashboards

_FOLDER = Path(dashboards.__file__).parent / "web" / "vendor"
_ROW = re.compile(r"^\| (\S+) \| .+ \| (.+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_every_file_is_the_published_one() -> None:
    listed = {name: digest for name, _, digest in _ROW.findall((_FOLDER / "README.md").read_text())}
    found = {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in _FOLDER.iterdir()
        if path.suffix in (".js", ".mjs", ".css")
    }
    assert found == listed


def test_every_licence_is_beside_it() -> None:
    licences = {
        name
        for _, licence, _ in _ROW.findall((_FOLDER / "README.md").read_text())
        for name in re.findall(r"\S+\.txt", licence.replace("(", "").replace(")", ""))
    }
    assert licences == {path.name for path in _FOLDER.glob("*.LICENSE.txt")}
