"""Where a page goes on."""

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from gateway.controller.problems import Problem

_CURSOR = re.compile(r"^(\d{1,17})-([0-9a-f]{32})$")


class Placed(Protocol):
    """What pages list."""

    @property
    def time_us(self) -> int: ...

    @property
    def id(self) -> str: ...


_Row = TypeVar("_Row", bound=Placed)


def page(found: Sequence[_Row], limit: int) -> tuple[Sequence[_Row], str | None]:
    """The rows to show, and `next`. `found`: one more than `limit` where another page follows."""
    shown = found[:limit]
    return shown, f"{shown[-1].time_us}-{shown[-1].id}" if len(found) > limit else None


def after(cursor: str | None) -> tuple[int, str] | None:
    """Time and id of the last that a page showed, from its `next`. Raises Problem (422)."""
    if cursor is None:
        return None
    match = _CURSOR.match(cursor)
    if match is None:
        raise Problem(422, "cursor", "No such cursor", "Give the `next` of the page before, as it is")
    return int(match[1]), match[2]
