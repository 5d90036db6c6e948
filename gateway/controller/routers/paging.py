"""Where a page goes on."""

import re

from gateway.controller.problems import Problem

_CURSOR = re.compile(r"^(\d{1,17})-([0-9a-f]{32})$")


def after(cursor: str | None) -> tuple[int, str] | None:
    """Time and id of the last that a page showed, from its `next`. Raises Problem (422)."""
    if cursor is None:
        return None
    match = _CURSOR.match(cursor)
    if match is None:
        raise Problem(422, "cursor", "No such cursor", "Give the `next` of the page before, as it is")
    return int(match[1]), match[2]
