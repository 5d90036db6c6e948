"""Reads a tree of YAML into frozen structs, by their types, and reports every problem, not only the first."""

import difflib
import re
import types
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from classifiers.document import Entries, Items, Node, Scalar
from classifiers.problem import Problem

S = TypeVar("S", bound=msgspec.Struct)
_BAD: Any = object()
_READ: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}


class Reader:
    """Reads one file.

    `problems` grows; `lines` says where each path (`principles[2].tier`) stands; `built` holds every struct that
    could be read, with its path, so that what is right can be looked at further beside what is wrong.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {"": 1}
        self.built: list[tuple[str, msgspec.Struct]] = []

    def read(self, node: Node, kind: type[S]) -> S | None:
        """The struct that `node` spells, or None when `problems` says why not."""
        value = self._value(node, kind, "")
        return None if value is _BAD or self.problems else value

    def problem(self, path: str, message: str) -> None:
        """Add a problem at a path that was read, or at the nearest one above it."""
        at = path
        while at not in self.lines:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        self.problems.append(Problem(self.file, self.lines[at], path, message))

    def _value(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401  # types are data here
        self.lines.setdefault(path, node.line)
        meta = None
        if get_origin(kind) is Annotated:
            kind, meta = get_args(kind)
        value = self._plain(node, kind, path)
        return value if value is _BAD or meta is None else self._within(value, meta, path)

    def _plain(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401
        origin = get_origin(kind)
        if origin is types.UnionType:
            return self._union(node, kind, path)
        if origin is tuple:
            return self._tuple(node, get_args(kind)[0], path)
        if origin is dict:
            return self._dict(node, get_args(kind)[1], path)
        if issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, path)
        return self._scalar(node, kind, path)

    def _union(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401
        """A scalar is read as the plain member, a mapping as the struct; None only marks a key as optional."""
        members = [member for member in get_args(kind) if member is not types.NoneType]
        structs = [member for member in members if isinstance(member, type) and issubclass(member, msgspec.Struct)]
        plain = [member for member in members if member not in structs]
        chosen = structs if structs and (isinstance(node, Entries) or not plain) else plain
        return self._value(node, chosen[0], path)

    def _tuple(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401
        if not isinstance(node, Items):
            if isinstance(node, Scalar) and node.empty:
                return self._bad(node, path, "a list")
            value = self._value(node, kind, path)  # one value alone is a list of one
            return _BAD if value is _BAD else (value,)
        values = [self._value(item, kind, f"{path}[{index}]") for index, item in enumerate(node.nodes)]
        return _BAD if _BAD in values else tuple(values)

    def _dict(self, node: Node, kind: Any, path: str) -> Any:  # noqa: ANN401
        if not isinstance(node, Entries):
            return self._bad(node, path, "a mapping of names")
        values = {key.text: self._value(value, kind, _join(path, key.text)) for key, value in node.pairs}
        return _BAD if _BAD in values.values() else values

    def _struct(self, node: Node, kind: type[msgspec.Struct], path: str) -> Any:  # noqa: ANN401
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        if not isinstance(node, Entries):
            return self._bad(node, path, f"a mapping with the keys {', '.join(fields)}")
        values = {}
        for key, value in node.pairs:
            self.lines[_join(path, key.text)] = key.line
            if key.text in fields:
                values[fields[key.text].name] = self._value(value, fields[key.text].type, _join(path, key.text))
            else:
                self.problem(_join(path, key.text), f"unknown key; {suggestion(key.text, fields)}")
        for name, field in fields.items():
            if field.required and field.name not in values:
                self.lines.setdefault(path, node.line)
                self.problems.append(Problem(self.file, node.line, _join(path, name), "is missing: add it"))
                values[field.name] = _BAD
        if _BAD in values.values():
            return _BAD
        self.built.append((path, kind(**values)))
        return self.built[-1][1]

    def _scalar(self, node: Node, kind: type, path: str) -> Any:  # noqa: ANN401
        if not isinstance(node, Scalar) or node.empty:
            return self._bad(node, path, _expected(kind))
        if issubclass(kind, StrEnum):
            if node.text in list(kind):
                return kind(node.text)
            self.problem(path, f"{_shown(node)} is not known here; {suggestion(node.text, list(kind))}")
            return _BAD
        try:
            return _READ[kind](node.text.strip())
        except (ValueError, KeyError):
            return self._bad(node, path, _expected(kind))

    def _within(self, value: Any, meta: msgspec.Meta, path: str) -> Any:  # noqa: ANN401
        """`value`, when it keeps to what its type's Meta says."""
        size = len(value) if isinstance(value, str | tuple | dict) else None
        broken = (
            (size is not None and meta.min_length is not None and size < meta.min_length)
            or (size is not None and meta.max_length is not None and size > meta.max_length)
            or (meta.pattern is not None and not re.search(meta.pattern, value))
            or (meta.ge is not None and not value >= meta.ge)
            or (meta.le is not None and not value <= meta.le)
        )
        if not broken:
            return value
        given = f"{size} given" if isinstance(value, tuple | dict) else f"{_clip(str(value))} given"
        self.problem(path, f"{given}, expected {meta.description}")
        return _BAD

    def _bad(self, node: Node, path: str, expected: str) -> Any:  # noqa: ANN401
        self.problems.append(Problem(self.file, node.line, path, f"{_shown(node)} given, expected {expected}"))
        return _BAD


def suggestion(given: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """What to write instead of `given`: the nearest known word, or all of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(names)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _expected(kind: type) -> str:
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[kind]


def _shown(node: Node) -> str:
    if isinstance(node, Scalar):
        return "nothing" if node.empty else repr(_clip(node.text))
    return "a list" if isinstance(node, Items) else "a mapping"


def _clip(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
