"""Which metrics, and which of their labels, a PromQL expression asks for. No full parser: promtool is that."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NUMBER = re.compile(r"(?<![\w:])\d[\w.]*")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|[\w:])")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = {"and", "or", "unless", "bool", "offset"}


class Selected(NamedTuple):
    """One selector: the metric and the labels that it is narrowed by."""

    metric: str
    labels: tuple[str, ...]


def selected(expression: str) -> Iterator[Selected]:
    """Every selector of the expression."""
    bare = _RANGE.sub("", _GROUPING.sub(" ", _STRING.sub("''", expression)))
    for metric, labels in _SELECTOR.findall(_NUMBER.sub(" ", bare)):
        if metric not in _WORDS:
            yield Selected(metric, tuple(_LABEL.findall(labels)))


def grouped(expression: str) -> set[str]:
    """Every label that it groups or matches by."""
    found = _GROUPING.findall(_STRING.sub("''", expression))
    return {label.strip() for _, labels in found for label in labels.split(",") if label.strip()}
