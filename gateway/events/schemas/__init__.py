"""JSON Schemas of all events, generated from the structs: `python -m gateway.events.schemas` writes them here.

One file per event type. Bytes are base64 strings. Within `.v1` fields are only ever added.
"""

from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from gateway.events.schema import Event

FOLDER = Path(__file__).parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PREFIX = "dev.tipstaff."


def all_schemas() -> dict[str, dict[str, Any]]:
    """File name -> schema."""
    return {f"{name(kind)}.json": _schema(kind) for kind in get_args(Event)}


def name(kind: type[msgspec.Struct]) -> str:
    """`exchange.v1` for dev.tipstaff.exchange.v1."""
    return str(kind.__struct_config__.tag).removeprefix(_PREFIX)


def rendered(schema: dict[str, Any]) -> bytes:
    """As committed."""
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write them all; returns the files."""
    paths = []
    for file, schema in all_schemas().items():
        path = folder / file
        path.write_bytes(rendered(schema))
        paths.append(path)
    return paths


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    tag = str(kind.__struct_config__.tag)
    schema = msgspec.json.schema(kind)
    for part in schema["$defs"].values():
        if "description" in part:
            part["description"] = cleandoc(part["description"])  # as Python 3.13 stores it
    return {"$schema": _DIALECT, "$id": f"urn:{tag}", "title": tag, **schema}
