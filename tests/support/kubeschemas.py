"""Kubernetes' own schemas, made strict: an object may have no key that its kind does not know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_ELSEWHERE = "/api/_definitions.json#"
_DEFINITIONS = "_definitions.json"


def strict_schemas(python: Path, version: str, folder: Path) -> str:
    """Writes them into `folder`; the schema location that kubeconform takes. `python`: of `kubernetes-schemas`."""
    (source,) = _installed(python, version)
    for path in source.glob("*.json"):
        if path.name != "all.json":
            schema = _strict(json.loads(path.read_text()))
            (folder / path.name).write_text(json.dumps(schema))
    return str(folder / "{{ .ResourceKind }}{{ .KindSuffix }}.json")


def _installed(python: Path, version: str) -> Iterator[Path]:
    return python.parents[1].glob(f"lib/python*/site-packages/kubernetes_validate/*/v{version}-local")


def _strict(schema: Schema) -> Schema:
    """References go to the file beside it, not to where Kubernetes publishes them."""
    schema.pop("$id", None)
    for part in _parts(schema):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_ELSEWHERE):
            part["$ref"] = reference.replace(_ELSEWHERE, f"{_DEFINITIONS}#")
        if isinstance(part.get("properties"), dict) and _is_schema(part):
            part.setdefault("additionalProperties", False)
    return schema


def _is_schema(part: Schema) -> bool:
    """Not the `properties` of a kind that has a field of this name."""
    return "object" in (part.get("type") or ())


def _parts(node: object) -> Iterator[Schema]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _parts(value)
