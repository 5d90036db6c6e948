"""The dashboard's own files, read once: the page, and what it loads by names that change with their content."""

import gzip
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

_PAGE = "index.html"
_PLACE = b"{static}"
"""In the page, where its files are."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; all else in the folder is not."""


class Asset(msgspec.Struct, frozen=True):
    """One file. zipped: the same with gzip."""

    media_type: str
    content: bytes
    zipped: bytes


class Shell(msgspec.Struct, frozen=True):
    """version: of all together. assets: by their path below /dashboard/static/VERSION/."""

    version: str
    page: Asset
    assets: Mapping[str, Asset]


def load(folder: Traversable | None = None) -> Shell:
    """What is in `folder`; by default what ships. Raises FileNotFoundError where it has no page."""
    found = dict(_found(folder or files("dashboards") / "web"))
    if _PAGE not in found:
        raise FileNotFoundError(f"the dashboard has no {_PAGE}: is tipstaff installed whole?")
    version = _version(found)
    page = found.pop(_PAGE).replace(_PLACE, f"/dashboard/static/{version}".encode())
    return Shell(version, _asset(_PAGE, page), {name: _asset(name, content) for name, content in found.items()})


def _found(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        name = below + each.name
        if each.is_dir():
            yield from _found(each, f"{name}/")
        elif _ending(name) in _TYPES:
            yield name, each.read_bytes()


def _version(found: Mapping[str, bytes]) -> str:
    digests = (f"{name} {sha256(content).hexdigest()}\n" for name, content in found.items())
    return sha256("".join(digests).encode()).hexdigest()[:16]


def _asset(name: str, content: bytes) -> Asset:
    return Asset(_TYPES[_ending(name)], content, gzip.compress(content, mtime=0))


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
