"""Labels in a file: JSON lines or CSV to values, or everything that is wrong with it. Pure.

Fields: exchange_id and violates; principle and note may be left out. A row whose `violates` is empty (null in
JSON) is one that nobody has labelled yet: it is passed over.
"""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.curation.labels import Said
from gateway.curation.sampling import ANY

Format = Literal["jsonl", "csv"]
MOST = 10_000
NOTE_LENGTH = 2000
_SHOWN = 20
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})


class LabelFileError(ValueError):
    """The file cannot be taken; the text names the lines and columns, at most 20 of them."""


class Line(msgspec.Struct, frozen=True):
    """One label and the line it begins at, counted from 1."""

    number: int
    said: Said


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exchange_id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    violates: bool | None
    principle: Annotated[str, Meta(min_length=1, max_length=64)] = ANY
    note: Annotated[str, Meta(max_length=NOTE_LENGTH)] = ""


_COLUMNS = _Row.__struct_fields__
_decoder = msgspec.json.Decoder(_Row)


def read(text: str, kind: Format) -> list[Line]:
    """The labels, in order. Raises LabelFileError for a file with any problem: whole or not at all."""
    lines: list[Line] = []
    problems: list[str] = []
    for number, row in (_of_json if kind == "jsonl" else _of_csv)(text):
        if isinstance(row, str):
            problems.append(f"line {number}: {row}")
        elif row.violates is not None:
            lines.append(Line(number, Said(row.exchange_id, row.violates, row.principle, row.note)))
    if len(lines) > MOST:
        problems.append(f"{len(lines)} labels, at most {MOST} at a time: split the file")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise LabelFileError("; ".join(problems[:_SHOWN] + more))
    return lines


def _of_json(text: str) -> Iterator[tuple[int, _Row | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, _decoder.decode(line)
            except msgspec.DecodeError as error:  # names the field, or the byte
                yield number, str(error)


def _of_csv(text: str) -> Iterator[tuple[int, _Row | str]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    names: list[str] | None = None
    begin = 1
    try:
        for cells in reader:
            if names is None:
                names = cells
                wrong = _wrong_header(names)
                if wrong:
                    yield begin, wrong
                    return
            elif cells:
                yield begin, _row(names, cells)
            begin = reader.line_num + 1
    except csv.Error as error:
        yield begin, str(error)
    if names is None:
        yield 1, f"the file is empty: the first line names the columns, {', '.join(_COLUMNS)}"


def _wrong_header(names: list[str]) -> str:
    odd = [name for name in names if name not in _COLUMNS]
    missing = [name for name in ("exchange_id", "violates") if name not in names]
    if odd or missing or len(set(names)) < len(names):
        return f"the columns are {', '.join(names)}; expected {', '.join(_COLUMNS)}, the last two if you like"
    return ""


def _row(names: list[str], cells: list[str]) -> _Row | str:
    if len(cells) != len(names):
        return f"{len(cells)} columns, expected {len(names)}"
    values: dict[str, object] = dict(zip(names, cells, strict=True))
    said = str(values["violates"]).strip().lower()
    if said and said not in _YES | _NO:
        return f"column violates: {said[:40]!r} is neither of {', '.join(sorted(_YES | _NO))}"
    values["violates"] = said in _YES if said else None
    if not values.get("principle"):
        values.pop("principle", None)
    try:
        return msgspec.convert(values, _Row)
    except msgspec.ValidationError as error:
        what, _, column = str(error).partition(" - at `$.")
        return f"column {column.rstrip('`')}: {what}"
