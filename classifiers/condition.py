"""When a principle applies: a small closed language over what is known of an exchange before anyone judges it."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from classifiers.exchange import Exchange
from classifiers.folding import Folder

Texts = tuple[str, ...]


class Condition(msgspec.Struct, frozen=True):
    """All of the keys that are given must hold; of one key's values, any.

    model: names, `*` and `?` stand for anything. stated: facts of the deployment. system_says, request_says:
    phrases that the system turns, or the last user turn, contain (case, accents and spaces do not matter).
    """

    model: Texts = ()
    stated: Texts = ()
    system_says: Texts = ()
    request_says: Texts = ()

    @property
    def empty(self) -> bool:
        """True when no key is given: it always holds."""
        return not (self.model or self.stated or self.system_says or self.request_says)


class Fact(msgspec.Struct, frozen=True):
    """Something that a deployment can state of itself.

    It holds when the operator configured it, or when the system turns contain one of `stated_by`. A user's own
    words never state one.
    """

    title: str
    stated_by: Texts = ()


class Known(msgspec.Struct, frozen=True):
    """What conditions look at, folded once for an exchange."""

    model: str
    system: str
    request: str
    stated: frozenset[str]


def know(exchange: Exchange, facts: dict[str, Fact], configured: Iterable[str], folder: Folder) -> Known:
    """What is known of an exchange; `configured` are the facts that the operator stated."""
    system = plain("\n".join(turn.text for turn in exchange.turns if turn.role == "system"), folder)
    said = (
        name for name, fact in facts.items() if any(plain(phrase, folder) in system for phrase in fact.stated_by)
    )
    stated = frozenset(configured) | frozenset(said)
    return Known(exchange.model, system, plain(exchange.request, folder), stated)


def holds(condition: Condition, known: Known, folder: Folder) -> bool:
    """True when every key that is given holds."""
    return (
        (not condition.model or any(fnmatchcase(known.model, name) for name in condition.model))
        and (not condition.stated or any(name in known.stated for name in condition.stated))
        and _says(condition.system_says, known.system, folder)
        and _says(condition.request_says, known.request, folder)
    )


def plain(text: str, folder: Folder) -> str:
    """Folded, with every run of white space one space."""
    return " ".join(folder.fold(text).text.split())


def _says(phrases: Texts, text: str, folder: Folder) -> bool:
    return not phrases or any(plain(phrase, folder) in text for phrase in phrases)
