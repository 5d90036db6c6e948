"""What rules find in one exchange, and what they cannot judge."""

import hashlib
from collections.abc import Iterator, Sequence

from classifiers.constitution import Constitution, canonical_json
from classifiers.exchange import Answer, Exchange
from classifiers.folding import Folder
from classifiers.principle import Principle, RulesSay, Scope
from classifiers.rule import Finds, Reads, Rule
from classifiers.rules.matcher import Hit, Matcher
from classifiers.signal import Reading, Signal
from classifiers.unread import answer_unread, request_unread
from classifiers.verdict import Span, Why

MAX_CHARACTERS = 262_144
"""Of each text that is read. What is longer is read in part, and then finding nothing proves nothing."""


class RulesReader:
    """All rules of a constitution, ready to read exchanges."""

    name = "rules"

    def __init__(self, constitution: Constitution) -> None:
        self._folder = folder = Folder()
        self._principles = constitution.principles
        self._owners: dict[str, list[str]] = {}
        by_place: dict[Reads, dict[str, Rule]] = {reads: {} for reads in Reads}
        for owner, name, rule in constitution.all_rules:
            self._owners.setdefault(name, []).append(owner)
            by_place[rule.reads][name] = rule
        self._matchers = {reads: Matcher(tuple(rules.items()), folder) for reads, rules in by_place.items()}
        self.version = _version(constitution)

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        """One reading for each exchange. Pure: the same exchange, the same reading."""
        return [self._read(each) for each in exchanges]

    def _read(self, exchange: Exchange) -> Reading:
        said = "\n".join(turn.text for turn in exchange.turns if turn.role == "user")[:MAX_CHARACTERS]
        signals = [*self._request_signals(exchange, said)]
        for index, answer in enumerate(exchange.answers):
            signals.extend(self._answer_signals(index, answer, said))
        return Reading(
            by=self.name,
            version=self.version,
            signals=tuple(signals),
            unsaid={
                principle.id: why for principle in self._principles if (why := self._unsaid(principle, exchange))
            },
            refusal_unsaid={
                index: why
                for index, answer in enumerate(exchange.answers)
                if (why := _unread(answer, exchange) or self._unknown_script(answer))
            },
        )

    def _request_signals(self, exchange: Exchange, said: str) -> Iterator[Signal]:
        """A request is only called harmless when all that the user sent was read."""
        unread = exchange.truncated or _request_unread(exchange) is not None
        hits = (
            *self._matchers[Reads.REQUEST].hits(exchange.request[:MAX_CHARACTERS]),
            *self._matchers[Reads.TURNS].hits(said),
        )
        for hit in hits:
            if not (unread and hit.rule.finds is Finds.BENIGN):
                yield from self._signals(hit, None)

    def _answer_signals(self, index: int, answer: Answer, said: str) -> Iterator[Signal]:
        for hit in self._matchers[Reads.ANSWER].hits(answer.readable[:MAX_CHARACTERS], said):
            yield from self._signals(hit, index)
        for hit in self._matchers[Reads.TEXT].hits(answer.text[:MAX_CHARACTERS], said):
            yield from self._signals(hit, index)

    def _signals(self, hit: Hit, answer: int | None) -> Iterator[Signal]:
        """One signal for each principle that the rule stands with. `text` opens `readable`, so spans fit both."""
        span = None if answer is None else Span(answer, hit.start, hit.end)
        for owner in self._owners[hit.name]:
            yield Signal(hit.rule.finds, hit.rule.probability, owner, answer, hit.name, span)

    def _unsaid(self, principle: Principle, exchange: Exchange) -> Why | None:
        """Why finding nothing does not mean that the principle is upheld; None when it does."""
        if principle.evaluators.rules is not RulesSay.SUFFICIENT:
            return Why.NO_EVALUATOR
        unread = next((why for answer in exchange.answers if (why := _unread(answer, exchange))), None)
        if unread is None and principle.scope is Scope.EXCHANGE:
            return _request_unread(exchange)
        return unread

    def _unknown_script(self, answer: Answer) -> Why | None:
        """The shipped refusal phrases are in Latin letters: in other scripts a refusal would not be found."""
        if answer.text.isascii():
            return None
        letters = [part for part in self._folder.fold(answer.text[:2000]).text if part.isalpha()]
        latin = sum(part.isascii() for part in letters)
        return None if 2 * latin >= len(letters) else Why.NO_EVALUATOR


def _unread(answer: Answer, exchange: Exchange) -> Why | None:
    """Why an answer was not read whole; None when it was."""
    return answer_unread(answer, exchange) or (Why.TOO_LONG if len(answer.readable) > MAX_CHARACTERS else None)


def _request_unread(exchange: Exchange) -> Why | None:
    return request_unread(exchange) or (Why.TOO_LONG if len(exchange.request) > MAX_CHARACTERS else None)


def _version(constitution: Constitution) -> str:
    """A hash of every rule in force: the shipped ones change with the package, not with the constitution."""
    return hashlib.blake2b(canonical_json(constitution.all_rules), digest_size=6).hexdigest()
