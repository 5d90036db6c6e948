"""YAML as a tree that remembers its lines.

Scalars stay text: what they mean is the reader's business, so `no` is the word and never False. Anchors, aliases
and tags are refused: what is audited must stand written out, and an alias bomb cannot even be built.
"""

from collections.abc import Iterator
from typing import NoReturn

import msgspec
import yaml

from classifiers.problem import Problem, Refused

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar(msgspec.Struct, frozen=True):
    """A text. `empty` is True for nothing at all (`key:`), False for a quoted empty text."""

    text: str
    line: int
    empty: bool = False


class Items(msgspec.Struct, frozen=True):
    """A list."""

    nodes: "tuple[Node, ...]"
    line: int


class Entries(msgspec.Struct, frozen=True):
    """A mapping, in the file's order, without duplicate keys."""

    pairs: "tuple[tuple[Scalar, Node], ...]"
    line: int


Node = Scalar | Items | Entries


def parse(text: str, file: str, problems: list[Problem]) -> Node:
    """The one document in `text`. Raises Refused for what is no YAML, or more than a plain tree of it.

    What leaves the rest readable (a key given twice) is added to `problems` instead.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise Refused([Problem(file, 1, "", f"the file is larger than {MAX_BYTES} bytes: split or shorten it")])
    try:
        return _Builder(file, yaml.parse(text, Loader=_LOADER), problems).document()
    except yaml.YAMLError as error:
        raise Refused([_syntax_problem(error, text, file)]) from error
    except UnicodeError as error:
        raise Refused([Problem(file, 1, "", f"not UTF-8 text: {error}")]) from error


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    last = max(len(text.splitlines()), 1)  # libyaml marks the end one line further
    line = min(mark.line + 1, last) if mark else 1
    return Problem(file, line, "", f"not YAML: {said}")


class _Builder:
    def __init__(self, file: str, events: Iterator[yaml.Event], problems: list[Problem]) -> None:
        self._file = file
        self._events = events
        self._problems = problems

    def document(self) -> Node:
        event = self._next_content()
        if isinstance(event, yaml.StreamEndEvent):
            raise Refused([Problem(self._file, 1, "", "the file is empty")])
        node = self._node(event, 0)
        after = self._next_content()
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "a second document starts here: keep one document in the file")
        return node

    def _next_content(self) -> yaml.Event:
        skipped = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
        return next(event for event in self._events if not isinstance(event, skipped))

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        raise Refused([*self._problems, Problem(self._file, _line(event), "", message)])

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases (& and *) are not read here: write the value out")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            self._refuse(event, f"tags like {tag} are not read here: write a plain value")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, _line(event), empty=not event.value and event.implicit[0])
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(tuple(self._items(depth)), _line(event))
        return Entries(tuple(self._pairs(depth)), _line(event))

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _pairs(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                self._refuse(event, "a key must be a plain word")
            value = self._node(next(self._events), depth + 1)
            if key.text in seen:
                self._duplicate(key, seen[key.text])
                continue
            seen[key.text] = key.line
            yield key, value

    def _duplicate(self, key: Scalar, first: int) -> None:
        message = f"given twice, first on line {first}: keep one of them"
        self._problems.append(Problem(self._file, key.line, key.text, message))


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1
