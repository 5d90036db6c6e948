"""Takes out of a text what nobody needs for judging it: secrets, cards, e-mails, phone numbers, the user's id.

Time is linear in the text, whatever the text is; doing it twice gives what doing it once gave.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from classifiers.exchange import Answer, Exchange, Turn
from gateway.scoring.credentials import named_values, private_keys, tokens
from gateway.scoring.digits import cards_and_phones, ibans
from gateway.scoring.shadow import Replacement, Shadowed
from gateway.scoring.texts import KeptText

EMAIL = "[email]"
SHORTEST_NAME = 4
"""A user's id of fewer characters says nothing by itself and would be found in every other word."""
KEPT_CHARS = 1 << 17
"""Characters kept of one exchange, about 30,000 tokens: what is longer is cut, and says so."""
_FRAYED = 128
"""What was cut may end amid a card's number that nobody recognises any more: its last characters go too."""

_DOMAIN = re.compile(r"@[\w-]++(?:\.[\w-]++)++")
_NOT_LOCAL = re.compile(r"[^\w.%+-]")
_OUR_WORDS = frozenset({"secret", "card", "email", "iban", "phone", "unit"})
_ROUNDS = 4
"""A placeholder may join what stood apart before (a card with spaces inside a URL's password): look again."""

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


def redact(text: str, names: Mapping[str, str] | None = None) -> str:
    """`text` with a placeholder like [card] for each thing found.

    `names`: a raw user id -> the hash, in hex, that stands for it everywhere; told as [unit:<8 digits>].
    """
    shadowed = Shadowed.of(text)
    for value, digest in (names or {}).items():
        if len(value) >= SHORTEST_NAME and value.lower() not in _OUR_WORDS:
            shadowed = shadowed.replaced(_places(shadowed.text, value, f"[unit:{digest[:8]}]"))
    for _ in range(_ROUNDS):
        before = shadowed
        for find in _FINDERS:
            shadowed = shadowed.replaced(find(shadowed.shadow))
        if shadowed is before:
            break
    return shadowed.text


def _places(text: str, value: str, instead: str) -> Iterator[Replacement]:
    position = text.find(value)
    while position >= 0:
        end = position + len(value)
        if not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum()):
            yield position, end, instead
        position = text.find(value, end)


def kept_text(exchange: Exchange, names: Mapping[str, str]) -> KeptText:
    """What may be kept of an exchange: redacted, the answers first, then the turns from the last backwards."""
    room = _Room(names)
    answers = tuple(_answer(answer, room) for answer in exchange.answers)
    turns = [Turn(turn.role, room.take(turn.text), turn.unread) for turn in reversed(exchange.turns)]
    return KeptText(exchange.id, exchange.model, tuple(reversed(turns)), answers, room.cut or exchange.truncated)


class _Room:
    """Hands out KEPT_CHARS to one text after another."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._left = KEPT_CHARS
        self.cut = False

    def take(self, text: str) -> str:
        """`text` redacted, as far as there is room."""
        room, self._left = self._left, max(self._left - len(text), 0)
        if len(text) <= room:
            return redact(text, self._names)
        self.cut = True
        return redact(text[:room], self._names)[:-_FRAYED]


def _answer(answer: Answer, room: _Room) -> Answer:
    return msgspec.structs.replace(
        answer,
        text=room.take(answer.text),
        reasoning=room.take(answer.reasoning),
        tool_calls=tuple(room.take(call) for call in answer.tool_calls),
    )
