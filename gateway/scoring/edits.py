"""Where a piece of a text lies after parts of it were replaced, any number of times."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

Replacement = tuple[int, int, str]
"""Start and end in characters, and what stands there afterwards."""


class Edit(msgspec.Struct, frozen=True):
    """`start` to `end` of the first text is `at` to `until` of the last."""

    start: int
    end: int
    at: int
    until: int


class Edits(msgspec.Struct, frozen=True):
    """What has become of a text: ascending, not overlapping."""

    all: tuple[Edit, ...] = ()

    def then(self, replacements: Sequence[Replacement]) -> "Edits":
        """These, and after them `replacements` (ascending, not overlapping) in the text as it is now."""
        made = [
            Edit(self._back(start, low=True), self._back(end, low=False), start, start + len(instead))
            for start, end, instead in replacements
        ]
        swallowed = [(edit.start, edit.end) for edit in made]
        left = [edit for edit in self.all if not _inside(edit, swallowed)]
        return Edits(_placed(sorted((*left, *made), key=lambda edit: edit.start)))

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where `start` to `end` of the first text is now; all of a replacement that it touches."""
        return self._forth(start, low=True), self._forth(end, low=False)

    def _back(self, position: int, *, low: bool) -> int:
        index = bisect_right(self.all, position, key=lambda edit: edit.at) - 1
        if index < 0:
            return position
        edit = self.all[index]
        if position < edit.until and position > edit.at:
            return edit.start if low else edit.end
        if position == edit.at:
            return edit.start
        return position - edit.until + edit.end

    def _forth(self, position: int, *, low: bool) -> int:
        index = bisect_right(self.all, position, key=lambda edit: edit.start) - 1
        if index < 0:
            return position
        edit = self.all[index]
        if position < edit.end and position > edit.start:
            return edit.at if low else edit.until
        if position == edit.start:
            return edit.at
        return position - edit.end + edit.until


def _inside(edit: Edit, ranges: list[tuple[int, int]]) -> bool:
    index = bisect_right(ranges, edit.start, key=lambda pair: pair[0]) - 1
    return index >= 0 and edit.end <= ranges[index][1]


def _placed(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """With `at` and `until` counted anew from the lengths."""
    shift = 0
    placed = []
    for edit in edits:
        at = edit.start + shift
        until = at + edit.until - edit.at
        placed.append(Edit(edit.start, edit.end, at, until))
        shift = until - edit.end
    return tuple(placed)
