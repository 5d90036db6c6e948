"""Labelled rows: one JSON object a line, plain or gzipped; and which of them may be learned from."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["prompt", "exchange", "text"]
_PARTS = 10
_TEST, _CHECK = 0, 1


class RowsError(ValueError):
    """The data cannot be used; the text says where and why."""


class Row(msgspec.Struct, frozen=True):
    """`prompt`: a request, or (kind text) any free text. `response`: the reply to it, in an exchange.

    labels: 1 yes, 0 no, absent unknown. Rows of one `group` share a goal, a question or a pair of twins: they are
    never divided.
    """

    id: str
    source: str
    kind: Kind
    prompt: str
    response: str | None
    labels: dict[str, Literal[0, 1]]
    group: str


class Parts(msgspec.Struct, frozen=True):
    """train: learned from. check: choose and calibrate by. test: a tenth, never looked at while training."""

    train: list[Row]
    check: list[Row]
    test: list[Row]


_decoder = msgspec.json.Decoder(Row)


def files(folders: Iterable[Path]) -> list[Path]:
    """The *.jsonl and *.jsonl.gz of the folders, sorted by name. Raises RowsError where a folder has none."""
    found: list[Path] = []
    for folder in folders:
        here = sorted((*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")), key=lambda path: path.name)
        if not here:
            raise RowsError(f"{folder}: no *.jsonl or *.jsonl.gz there")
        found += here
    return found


def read(paths: Iterable[Path]) -> list[Row]:
    """All rows. Raises RowsError, OSError."""
    return [row for path in paths for row in _rows(path)]


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the rows' bytes, unpacked, file after file: what a model was trained on."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(_bytes(path))
    return whole.hexdigest()


def divide(rows: Iterable[Row]) -> Parts:
    """By a hash of the group: the same wherever and whenever it is done."""
    parts = Parts([], [], [])
    for row in rows:
        tenth = hashlib.blake2b(row.group.encode(), digest_size=8).digest()[0] % _PARTS
        (parts.test if tenth == _TEST else parts.check if tenth == _CHECK else parts.train).append(row)
    return parts


def _rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_bytes(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise RowsError(f"{path}, line {number}: {error}") from error


def _bytes(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw
