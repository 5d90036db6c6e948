"""A bundle as it is read: its members by name, and the rows of those that are lines."""

import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar
from zipfile import BadZipFile, ZipFile

import msgspec

from gateway.controller.bundle import FORMAT, MANIFEST, Manifest, Member

Value = TypeVar("Value")

_DAMAGE = (
    BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    msgspec.MsgspecError,
    UnicodeDecodeError,
)
_PIECE = 1 << 20


class DamagedBundle(Exception):
    """It is no bundle, or no whole one; the text says where."""


class BundleFile:
    """Open until `close`. Its methods raise DamagedBundle."""

    def __init__(self, file: ZipFile, manifest: Manifest) -> None:
        self._zip = file
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises DamagedBundle, and OSError where the file cannot be read."""
        file = None
        try:
            file = ZipFile(path)
            manifest = msgspec.json.decode(file.read(MANIFEST), type=Manifest)
        except _DAMAGE as error:
            if file is not None:
                file.close()
            raise DamagedBundle(f"{path} is no whole bundle: {_words(error)}") from error
        if manifest.format > FORMAT:
            file.close()
            raise DamagedBundle(
                f"{path} has format {manifest.format}, this tipstaff reads {FORMAT}: take a newer one"
            )
        return cls(file, manifest)

    def altered(self) -> list[str]:
        """Members that are not what the manifest says, and what it does not speak of."""
        names = self._zip.namelist()
        listed = self.manifest.members
        strange = [name for name in names if name != MANIFEST and name not in listed]
        twice = sorted({name for name in names if names.count(name) > 1})
        missing = [name for name in listed if name not in names]
        changed = [name for name, said in listed.items() if name in names and self._digest(name) != said]
        return sorted({*strange, *twice, *missing, *changed})

    def value(self, name: str, kind: type[Value]) -> Value:
        """A member that is one JSON value."""
        with _damage(name):
            return msgspec.json.decode(self._zip.read(name), type=kind)

    def text(self, name: str) -> str:
        """A member as text."""
        with _damage(name):
            return self._zip.read(name).decode()

    def lines(self, name: str) -> Iterator[bytes]:
        """A member line by line, without the line ends."""
        with _damage(name), self._zip.open(name) as member:
            for line in member:
                yield line.rstrip(b"\n")

    def rows(self, name: str, decoder: msgspec.json.Decoder[Value]) -> Iterator[Value]:
        """A member's lines, each a JSON value."""
        for number, line in enumerate(self.lines(name), 1):
            with _damage(f"{name}, line {number}"):
                row = decoder.decode(line)
            yield row

    def close(self) -> None:
        """Let go."""
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _digest(self, name: str) -> Member | None:
        """None: it cannot be read."""
        digest, size = sha256(), 0
        try:
            with self._zip.open(name) as member:
                while piece := member.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
        except _DAMAGE:
            return None
        return Member(digest.hexdigest(), size)


class _damage:  # noqa: N801 - used like a function
    """Around what reads `what`."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DAMAGE):
            raise DamagedBundle(f"{self._what} cannot be read: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
