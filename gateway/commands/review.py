"""`tipstaff review sample | label | import | summary`: asks the controller, and puts its answer into lines."""

import csv
import getpass
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.commands.adminclient import AdminClient

_BODY_BYTES = 1 << 20
"""What the admin port takes at once."""
_ROW = "  {:<12} {:<8} {:>10} {:>7} {:>9} {:>8} {:>9}"
_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def sample(client: AdminClient, model: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Draw exchanges; what is None in `wanted` is the controller's to choose. Raises AdminError."""
    body = {name: value for name, value in wanted.items() if value is not None}
    return client.post(f"{_labels(model)}/sample", body)


def label(client: AdminClient, model: str, actor: str, given: dict[str, Any]) -> dict[str, Any]:
    """Hand in one label. Raises AdminError."""
    return client.post(_labels(model), {"actor": actor, "labels": [given]})


def import_file(client: AdminClient, model: str, actor: str, path: Path) -> dict[str, Any]:
    """Hand in a file, whole or not at all. Raises AdminError, OSError, ValueError."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: the name ends in {path.suffix or 'nothing'}, expected .csv or .jsonl")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from error
    body = {"actor": actor, "format": kind, "text": text}
    size = len(msgspec.json.encode(body))
    if size > _BODY_BYTES:
        raise ValueError(f"{path}: {size} bytes as it is sent, at most {_BODY_BYTES}: split it")
    return client.post(f"{_labels(model)}/import", body)


def summary(client: AdminClient, model: str, principle: str, draw: str | None) -> dict[str, Any]:
    """What the labels of a sample add up to. Raises AdminError."""
    return client.get(f"{_labels(model)}/summary", principle=principle, **({"draw": draw} if draw else {}))


def me() -> str:
    """Who labels, unless it is said."""
    return os.environ.get("USER") or getpass.getuser()


def as_csv(answer: dict[str, Any]) -> str:
    """A sample as a file to be filled in and imported: nothing in `violates` yet."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("exchange_id", "principle", "violates", "note"))
    rows.writerows((exchange, answer["principle"], "", "") for exchange in answer["exchanges"])
    return written.getvalue().removesuffix("\n")


def strata(answer: dict[str, Any]) -> Iterator[str]:
    """A sample, or what its labels add up to, as a table."""
    yield f"sample {answer['draw']} of {answer['model']}, principle {answer['principle']}"
    yield f"  exchanges from {answer['since']} to {answer['until']}"
    yield _ROW.format("arm", "flagged", "exchanges", "drawn", "labelled", "violate", "disputed")
    for one in answer["strata"]:
        numbers = (one[name] for name in ("population", "drawn", "labelled", "violating", "disputed"))
        yield _ROW.format(one["arm"], "yes" if one["flagged"] else "no", *numbers)


def _labels(model: str) -> str:
    return f"/models/{quote(model, safe='/')}/labels"
