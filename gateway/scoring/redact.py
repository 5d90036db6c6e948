"""Takes out of a text what nobody needs for judging it: secrets, cards, e-mails, phone numbers, the user's id.

Time is linear in the text, whatever the text is; doing it twice gives what doing it once gave.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from gateway.scoring.credentials import named_values, private_keys, tokens
from gateway.scoring.digits import cards_and_phones, ibans
from gateway.scoring.edits import Edits, Replacement
from gateway.scoring.shadow import Shadowed

EMAIL = "[email]"
SHORTEST_NAME = 4
"""A user's id of fewer characters says nothing by itself and would be found in every other word."""
_DOMAIN = re.compile(r"@[\w-]++(?:\.[\w-]++)++")
_NOT_LOCAL = re.compile(r"[^\w.%+-]")
_OUR_WORDS = frozenset({"secret", "card", "email", "iban", "phone", "unit"})
_ROUNDS = 4
"""A placeholder may join what stood apart (a card with spaces inside a URL's password), or part what stood together
(a card right before a name): look again."""

Finder = Callable[[str], Iterator[Replacement]]


def emails(text: str) -> Iterator[Replacement]:
    """Addresses of the form local@domain.tld, of any length."""
    done = 0
    for domain in _DOMAIN.finditer(text):
        start = domain.start()
        while start > done and not _NOT_LOCAL.match(text, start - 1):
            start -= 1
        if start < domain.start():
            yield start, domain.end(), EMAIL
            done = domain.end()


_FINDERS: tuple[Finder, ...] = (private_keys, named_values, tokens, emails, ibans, cards_and_phones)


class Redacted(msgspec.Struct, frozen=True):
    """A text that may be kept; `edits` says where in it the pieces of the first text are."""

    text: str
    edits: Edits


def redact(text: str, names: Mapping[str, str] | None = None) -> Redacted:
    """`text` with a placeholder like [card] for each thing found.

    `names`: a raw user id -> the hash, in hex, that stands for it everywhere; told as [unit:<8 digits>].
    """
    shadowed = Shadowed.of(text)
    told = {value: f"[unit:{digest[:8]}]" for value, digest in (names or {}).items() if _is_name(value)}
    for _ in range(_ROUNDS):
        before = shadowed
        for value, instead in told.items():
            shadowed = shadowed.replaced(_places(shadowed.text, value, instead))
        for find in _FINDERS:
            shadowed = shadowed.replaced(find(shadowed.shadow))
        if shadowed is before:
            break
    return Redacted(shadowed.text, shadowed.edits)


def _is_name(value: str) -> bool:
    return len(value) >= SHORTEST_NAME and value.lower() not in _OUR_WORDS


def _places(text: str, value: str, instead: str) -> Iterator[Replacement]:
    position = text.find(value)
    while position >= 0:
        end = position + len(value)
        if not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum()):
            yield position, end, instead
        position = text.find(value, end)
