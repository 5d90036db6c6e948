"""Patterns whose matching takes time linear in the text, whatever the text: RE2, behind types.

Python's own `re` backtracks: a pattern that looks harmless can take minutes on a text made for it, and nobody can
prove of an operator's own pattern that it will not. RE2 runs automata; it has no look-around, no back references.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import re2  # type: ignore[import-untyped]

_SET_MEMORY = 64 << 20


class BadPattern(ValueError):
    """RE2 does not know such a pattern; the message is its own."""


class Pattern:
    """One pattern. Raises BadPattern."""

    def __init__(self, pattern: str) -> None:
        try:
            self._regexp = re2.compile(pattern, _options())
        except re2.error as error:
            raise BadPattern(_words(error.args[0] if error.args else "not a pattern")) from error

    def search(self, text: str) -> tuple[int, int] | None:
        """The span of the leftmost match; linear."""
        found = self._regexp.search(text)
        return None if found is None else found.span()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """The spans of all matches, from left to right; linear only when no match can be longer than a bound."""
        return (found.span() for found in self._regexp.finditer(text))


class PatternSet:
    """Many patterns, of which one pass over a text tells which occur in it.

    `memory` bounds the automaton, in bytes. Raises BadPattern when the patterns do not fit.
    """

    def __init__(self, patterns: Sequence[str], memory: int = _SET_MEMORY) -> None:
        options = _options()
        options.max_mem = memory
        self._set = re2.Set.SearchSet(options)
        try:
            for pattern in patterns:
                self._set.Add(pattern)
            self._set.Compile()
        except re2.error as error:
            raise BadPattern(f"{len(patterns)} patterns are too large together: bound repetitions lower") from error

    def occurring(self, text: str) -> set[int]:
        """The numbers of the patterns that occur somewhere in `text`, as they were given."""
        return set(self._set.Match(text) or ())


def _options() -> Any:  # noqa: ANN401  # re2 has no types
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    return options


def _words(said: object) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
