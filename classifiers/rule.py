"""One rule: patterns that are certain enough to say something of an exchange by themselves, with their own tests.

Patterns are RE2's: matching takes time linear in the text, whatever the text. See docs/constitution.md.
"""

import re
from enum import StrEnum
from typing import Annotated

import msgspec

from classifiers.folding import Folder, View
from classifiers.linear import BadPattern, Pattern

MAX_PATTERN = 2000
_UNBOUNDED = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|([*+]|\{\d*,\})")
_CAPITAL = re.compile(r"\\[pP]\{[^}]*\}|\\.|\(\?P<[^>]*>|([A-Z])")


class Finds(StrEnum):
    """What a match says. The first four speak of one principle, the last two of the exchange.

    topic: the request, or the answer, is about the principle's subject. provocation: the request asks for what the
    principle forbids. harmful: the answer does it, unless the answer is a refusal. conduct: the answer shows it,
    whatever was asked. refusal: the answer declines. benign: no principle objects to the request.
    """

    TOPIC = "topic"
    PROVOCATION = "provocation"
    HARMFUL = "harmful"
    CONDUCT = "conduct"
    REFUSAL = "refusal"
    BENIGN = "benign"


class Reads(StrEnum):
    """What a rule looks at.

    request: the last user turn. turns: all user turns. answer: all that the model wrote, reasoning and tool calls
    too. text: only what a user reads of it.
    """

    REQUEST = "request"
    TURNS = "turns"
    ANSWER = "answer"
    TEXT = "text"


class Check(StrEnum):
    """What a match must pass besides: luhn (payment cards), iban (mod 97), ssn (numbers never issued are out)."""

    LUHN = "luhn"
    IBAN = "iban"
    SSN = "ssn"


RuleId = Annotated[
    str,
    msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$", description="lower-case words joined by _, like `access_key`"),
]
PatternText = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=MAX_PATTERN, description=f"a pattern of at most {MAX_PATTERN} characters"
    ),
]
Count = Annotated[int, msgspec.Meta(ge=1, le=100, description="a number from 1 to 100")]
Probability = Annotated[float, msgspec.Meta(ge=0.5, le=1, description="a probability from 0.5 to 1")]


class Rule(msgspec.Struct, frozen=True):
    """A rule as written.

    It matches a text that holds any of `patterns`, any of `also` when that is given, and none of `unless`.
    """

    id: RuleId
    title: str
    finds: Finds
    reads: Reads
    patterns: Annotated[tuple[PatternText, ...], msgspec.Meta(min_length=1, description="at least one pattern")]
    match: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="at least one text that it finds")]
    no_match: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="at least one text that it leaves")]
    view: View = View.FOLDED
    also: tuple[PatternText, ...] = ()
    unless: tuple[PatternText, ...] = ()
    unless_asked: tuple[PatternText, ...] = ()
    """As `unless`, but looked for in the user's own turns: who asks for an apology may get one."""
    check: Check | None = None
    at_least: Count = 1
    """How many different matches it takes: a list of addresses, not one."""
    ignore: tuple[str, ...] = ()
    """Placeholders: a match that contains one of these, as written, does not count."""
    novel: bool = False
    """A match that stands in the user's own turns does not count: the answer only repeats it."""
    probability: Probability = 0.99
    """That what it finds is so: measured, or a careful guess below 1."""

    @property
    def counts(self) -> bool:
        """True when more than the first match is looked at."""
        return bool(self.check or self.at_least > 1 or self.novel or self.ignore)


def compile_pattern(pattern: str, view: View) -> Pattern:
    """A rule's pattern, ready to search. Raises BadPattern."""
    return Pattern(spelled(pattern, view))


def spelled(pattern: str, view: View) -> str:
    """The pattern with its own non-ASCII letters folded as the text's will be."""
    folder = Folder()
    return "".join(part if part.isascii() else folder.fold(part, view).text for part in pattern)


def pattern_problems(rule: Rule) -> list[tuple[str, str]]:
    """(key, message) for every pattern that cannot be used as it is."""
    return [
        (f"{key}[{index}]", message)
        for key in ("patterns", "also", "unless", "unless_asked")
        for index, pattern in enumerate(getattr(rule, key))
        if (message := _pattern_problem(rule, key, pattern))
    ]


def _pattern_problem(rule: Rule, key: str, pattern: str) -> str:
    try:
        compiled = compile_pattern(pattern, rule.view)
    except BadPattern as error:
        return f"{pattern!r} is no RE2 pattern: {error}"
    if compiled.search("") is not None:
        return f"{pattern!r} matches the empty text, so it matches everywhere: ask for at least one character"
    if rule.view is View.FOLDED and any(found[1] for found in _CAPITAL.finditer(pattern)):
        return f"{pattern!r} has a capital letter, which folded text has not: write it small, or set view: exact"
    if key == "patterns" and rule.counts and any(found[1] for found in _UNBOUNDED.finditer(pattern)):
        return f"{pattern!r} repeats without a bound, where every match is looked at: write {{1,40}} for + or *"
    return ""
