"""Matches many rules against a text at once, in time linear in its length.

A pattern set tells in a single pass which patterns occur at all; only of those is the place looked up.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from classifiers.folding import Folded, Folder, View
from classifiers.linear import PatternSet
from classifiers.rule import Rule, compile_pattern, spelled
from classifiers.rules.checks import passes

MAX_CANDIDATES = 200
"""Matches of one pattern that are looked at, when a rule looks at more than the first."""


class Hit(msgspec.Struct, frozen=True):
    """A rule that matched, with the span of its first counted match in the original text."""

    name: str
    rule: Rule
    start: int
    end: int


class Matcher:
    """Rules that are matched against the same texts."""

    def __init__(self, rules: Sequence[tuple[str, Rule]], folder: Folder) -> None:
        self._folder = folder
        self._views = [
            _ViewMatcher(view, chosen)
            for view in View
            if (chosen := [(name, rule) for name, rule in rules if rule.view is view])
        ]

    def hits(self, text: str, said: str = "") -> tuple[Hit, ...]:
        """The rules that match `text`. `said` is what the user wrote: some rules leave what was asked for."""
        return tuple(hit for matcher in self._views for hit in matcher.hits(text, said, self._folder))


class _ViewMatcher:
    def __init__(self, view: View, rules: Sequence[tuple[str, Rule]]) -> None:
        self._view = view
        self._rules = rules
        written = [pattern for _, rule in rules for pattern in (*rule.patterns, *rule.also, *rule.unless)]
        self._numbers = {pattern: number for number, pattern in enumerate(dict.fromkeys(written))}
        self._set = PatternSet([spelled(pattern, view) for pattern in self._numbers])
        self._starts: dict[int, list[int]] = {}
        for index, (_, rule) in enumerate(rules):
            for pattern in rule.patterns:
                self._starts.setdefault(self._numbers[pattern], []).append(index)
        placed = [pattern for _, rule in rules for pattern in (*rule.patterns, *rule.unless_asked)]
        self._places = {pattern: compile_pattern(pattern, view) for pattern in placed}

    def hits(self, text: str, said: str, folder: Folder) -> Iterator[Hit]:
        folded = folder.fold(text, self._view)
        seen = self._set.occurring(folded.text)
        if not seen:
            return
        asked = folder.fold(said, self._view).text
        for index in sorted({index for number in seen for index in self._starts.get(number, ())}):
            name, rule = self._rules[index]
            if self._fits(rule, seen) and not self._asked(rule, asked):
                span = self._place(rule, folded, seen, asked if rule.novel else "")
                if span is not None:
                    yield Hit(name, rule, *folded.original(*span))

    def _occurs(self, patterns: Sequence[str], seen: set[int]) -> bool:
        return any(self._numbers[pattern] in seen for pattern in patterns)

    def _fits(self, rule: Rule, seen: set[int]) -> bool:
        return (not rule.also or self._occurs(rule.also, seen)) and not self._occurs(rule.unless, seen)

    def _asked(self, rule: Rule, said: str) -> bool:
        return any(self._places[pattern].search(said) for pattern in rule.unless_asked)

    def _place(self, rule: Rule, folded: Folded, seen: set[int], said: str) -> tuple[int, int] | None:
        """Where the first match that counts stands; None when too few count."""
        occurring = [pattern for pattern in rule.patterns if self._numbers[pattern] in seen]
        if not rule.counts:
            return self._places[occurring[0]].search(folded.text)
        counted: dict[str, tuple[int, int]] = {}
        for pattern in occurring:
            for start, end in self._candidates(pattern, folded.text):
                matched = folded.text[start:end]
                if matched not in counted and _counts(rule, matched, said):
                    counted[matched] = (start, end)
        return min(counted.values()) if len(counted) >= rule.at_least else None

    def _candidates(self, pattern: str, text: str) -> Iterator[tuple[int, int]]:
        return islice(self._places[pattern].spans(text), MAX_CANDIDATES)


def _counts(rule: Rule, matched: str, said: str) -> bool:
    placeholder = any(part in matched for part in rule.ignore)
    return not placeholder and not (said and matched in said) and passes(rule.check, matched)
