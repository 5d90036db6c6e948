"""Text as a reader sees it: what looks the same becomes the same, and every span leads back to the original.

Two views. `exact` keeps case and accents, for tokens and numbers. `folded` is lower-case without accents, with
common look-alike letters of other scripts turned Latin. Both drop characters that cannot be seen (zero width,
soft hyphen, direction marks), and turn compatibility forms (full width, circled, ligatures) and every kind of
space, quote and dash into the plain one. Characters are folded one by one, so that a table does it in linear time.
"""

import unicodedata
from bisect import bisect_right
from enum import StrEnum
from itertools import accumulate

MAX_REMEMBERED = 65_536


class View(StrEnum):
    """Which form of the text a pattern is matched against."""

    FOLDED = "folded"
    EXACT = "exact"


_LOOK_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c4\u03c7\u0131\u0261\u0142\u00f8\u0111",
    "aeopcyxijshdqwkmtbhaopuviktxiglod",
)
_PLAIN = {
    "Zs": " ", "Zl": "\n", "Zp": "\n", "Pd": "-", "Cs": "\ufffd",
}  # fmt: skip
_QUOTES = str.maketrans(
    "\u2018\u2019\u201a\u201b\u2032\u00b4\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '\'\'\'\'\'\'"""""""'
)
_UNSEEN = frozenset({"\u115f", "\u1160", "\u3164", "\uffa0", "\u034f"})


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or character in _UNSEEN or "\ufe00" <= character <= "\ufe0f":
        return ""
    return _PLAIN.get(category, character)


class _Table(dict[int, str]):
    """Code point -> its folded text, made when first seen: what str.translate asks for. Bounded."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._fold = _fold_character if view is View.FOLDED else _exact_character

    def __missing__(self, point: int) -> str:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        character = chr(point)
        folded = self[point] = character if _stays(character) else self._fold(character)
        return folded


def _stays(character: str) -> bool:
    """True for characters without case that nothing is done to: most there are, told in a look-up or two."""
    return (
        unicodedata.category(character) in ("Lo", "So", "Sm", "Co", "Cn")
        and unicodedata.is_normalized("NFKD", character)
        and character not in _UNSEEN
    )


def _exact_character(character: str) -> str:
    plain = _visible(character).translate(_QUOTES)
    return "".join(_visible(part) for part in unicodedata.normalize("NFKC", plain))


def _fold_character(character: str) -> str:
    exact = _exact_character(character).casefold()
    parts = unicodedata.normalize("NFKD", exact)
    seen = "".join(part for part in parts if unicodedata.category(part) not in ("Mn", "Me"))
    return "".join(_visible(part) for part in seen.translate(_LOOK_ALIKE).translate(_QUOTES))


class Folded:
    """A text in one view. `text` is what patterns see; `original` maps a span of it back."""

    def __init__(self, source: str, view: View, table: dict[int, str]) -> None:
        self._source = source
        self._table = table
        self._ends: list[int] | None = None
        self._same = source.isascii()
        if self._same:
            self.text = source.lower() if view is View.FOLDED else source
        else:
            self.text = source.translate(table)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The smallest span of the source that holds all of [start, end) of `text`; 0 <= start <= end."""
        if self._same:
            return start, end
        if self._ends is None:
            self._ends = list(accumulate(len(self._table[ord(character)]) for character in self._source))
        first = bisect_right(self._ends, start)
        last = bisect_right(self._ends, end - 1) + 1 if end > start else first
        return min(first, len(self._source)), min(last, len(self._source))


class Folder:
    """Folds texts; keeps a table of the characters seen so far, at most one entry per code point."""

    def __init__(self) -> None:
        self._tables = {view: _Table(view) for view in View}

    def fold(self, source: str, view: View = View.FOLDED) -> Folded:
        """`source` in that view."""
        return Folded(source, view, self._tables[view])
