"""A text and its shadow: the same length, with look-alike characters told as plain ones, for matching."""

import unicodedata
from collections.abc import Iterable
from typing import Self

import msgspec

from gateway.scoring.edits import Edits, Replacement

_LIKE_A_DASH = frozenset({"Pd", "Cf", "Mn", "Me"})
"""Dashes; what is not seen at all (soft hyphen, zero-width space); what is put on top of another character."""


class _LookAlikes(dict[int, int]):
    """Code point -> the ASCII one that a reader takes it for; looked up once per character, then remembered."""

    def __missing__(self, point: int) -> int:
        self[point] = plain = _plain(chr(point))
        return plain


def _plain(char: str) -> int:
    if char.isascii():
        return ord(char)
    category = unicodedata.category(char)
    if category in _LIKE_A_DASH or char == "\N{MINUS SIGN}":
        return ord("-")
    if category == "Zs":
        return ord(" ")
    folded = unicodedata.normalize("NFKC", char)
    digit = unicodedata.decimal(folded, None) if len(folded) == 1 else None
    if digit is not None:
        return ord("0") + int(digit)
    return ord(folded) if len(folded) == 1 else ord(char)


class Shadowed(msgspec.Struct, frozen=True):
    """`text` as it is, `shadow` as patterns see it: position i means the same character in both.

    `edits`: what was replaced in it so far.
    """

    text: str
    shadow: str
    edits: Edits = Edits()

    @classmethod
    def of(cls, text: str) -> Self:
        """Make the shadow; for plain ASCII it is the text itself."""
        return cls(text, text if text.isascii() else text.translate(_LookAlikes()))

    def replaced(self, replacements: Iterable[Replacement]) -> "Shadowed":
        """Both with `replacements` (ascending, not overlapping, ASCII) in place."""
        found = tuple(replacements)
        if not found:
            return self
        text = _spliced(self.text, found)
        shadow = text if self.shadow is self.text else _spliced(self.shadow, found)
        return Shadowed(text, shadow, self.edits.then(found))


def _spliced(text: str, replacements: Iterable[Replacement]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end, instead in replacements:
        pieces += (text[position:start], instead)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)
