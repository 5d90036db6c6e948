"""What the encoder finds in exchanges, as signals about the principles of a constitution.

From heads to principles. A principle names the heads that know it (`heads` in the constitution); of several, the
highest speaks. With r(h) a head that read the request, a(h) one that read the answer:
    harm       provocation = r(head), topic of the answer = a(head), harmful = a(harmful_response)
    conduct    conduct = a(head)
    the whole  refusal = a(refusal), benign request = how clearly r(unsafe) says no
What follows from these is the one rule of classifiers.resolution.

A request is benign only where `unsafe` is clear about it: where few unsafe ones lie, not wherever it is below the
threshold; else every unsafe request that is missed would make a wrong refusal of a right one. Faults of style were
learned on answers to harmless requests only (a refusal that says why is no sermon), so where the request is not
clearly harmless they are not evaluated.

Long texts are read in overlapping windows. Of several windows the highest says whether something is there. A
refusal is what the answer's first window says, less what a later one shows to be help after all:
    refusal = min(refusal of the first, 1 - max over later windows of min(harmful_response, 1 - refusal)).
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np

from classifiers.constitution import Constitution
from classifiers.encoder.encoding import Encoded, Encoding
from classifiers.encoder.heads import ANSWER_PREFIX, HARMFUL, REFUSAL, STYLES, UNSAFE, answer_head
from classifiers.encoder.language import understood
from classifiers.encoder.model import Array
from classifiers.encoder.windows import Windows, chosen
from classifiers.evidence import THRESHOLD
from classifiers.exchange import Exchange
from classifiers.principle import Principle, Scope, ViolatedBy
from classifiers.rule import Finds
from classifiers.signal import Reading, Signal
from classifiers.unread import answer_unread, request_unread
from classifiers.verdict import Why


class Network(Protocol):
    """What says something of texts: probabilities by head. `window`: tokens that it reads at once."""

    heads: tuple[str, ...]
    window: int
    encoding: Encoding

    @property
    def version(self) -> str:
        """Of what it says."""

    def probabilities(self, texts: Sequence[Encoded]) -> Array:
        """Shape (texts, heads), in [0, 1]; each text of at most `window` tokens."""

    def clear(self, head: str) -> float:
        """The probability below which a head clearly says no."""


class Seen(msgspec.Struct, frozen=True):
    """What the network said of one exchange. request: shape (heads,), None where the user said nothing; answers:
    one of shape (windows, heads) for each, None where none of its windows was read.
    """

    windows: Windows
    request: Array | None
    answers: list[Array | None]


class EncoderReader:
    """Reads exchanges for the principles of a constitution. max_windows: at most so many of one exchange."""

    name = "encoder"

    def __init__(self, constitution: Constitution, model: Network, max_windows: int = 8) -> None:
        self.version = model.version
        self.knows = frozenset(model.heads)
        """The heads that there are."""
        self._principles = constitution.principles
        self._model = model
        self._most = max_windows
        self._place = {name: number for number, name in enumerate(model.heads)}

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        """One reading for each exchange."""
        return [
            self.reading(exchange, seen) for exchange, seen in zip(exchanges, self.look(exchanges), strict=True)
        ]

    def look(self, exchanges: Sequence[Exchange]) -> list[Seen]:
        """What the network says of each."""
        windows = [self._windows(each) for each in exchanges]
        flat = [window for own in windows for part in (own.request, *own.answers) for window in part]
        found = iter(self._model.probabilities(flat))
        seen = []
        for own in windows:
            request = np.array([next(found) for _ in own.request]).max(axis=0) if own.request else None
            answers = [np.array([next(found) for _ in part]) if part else None for part in own.answers]
            seen.append(Seen(own, request, answers))
        return seen

    def heads(self, seen: Seen) -> dict[str, float]:
        """Every head that had something to read: of several answers, the highest."""
        of_answers = [name for name in self._place if answer_head(name)]
        said = {}
        if seen.request is not None:
            said = {name: self._of(seen.request, name) for name in self._place if name not in of_answers}
        answers = [each for each in seen.answers if each is not None]
        if answers:
            highest = np.concatenate(answers).max(axis=0)
            said |= {name: self._of(highest, name) for name in of_answers}
            if REFUSAL in said:
                said[REFUSAL] = max(self._refusal(each) for each in answers)
        return said

    def reading(self, exchange: Exchange, seen: Seen) -> Reading:
        """What follows for the principles."""
        hindered = [self._hindered(exchange, seen.windows, place) for place in range(len(seen.answers))]
        asked = _request_hindered(exchange, seen.windows)
        harmless = 0.0 if seen.request is None else self._harmless(seen.request)
        mute = STYLES if harmless < THRESHOLD else ()
        signals = [
            *self._request_signals(seen.request, harmless if asked is None else None),
            *(
                signal
                for place, found in enumerate(seen.answers)
                if found is not None
                for signal in self._answer_signals(place, found, mute)
            ),
        ]
        unsaid = {place: why for place, why in enumerate(hindered) if why is not None}
        nobody = dict.fromkeys(range(len(seen.answers)), Why.NO_EVALUATOR)
        return Reading(
            by=self.name,
            version=self.version,
            signals=tuple(signals),
            unsaid={
                each.id: why for each in self._principles if (why := self._unsaid(each, [asked, *hindered], mute))
            },
            refusal_unsaid=unsaid if REFUSAL in self._place else nobody,
            harm_unsaid=unsaid if HARMFUL in self._place else None,
        )

    def _windows(self, exchange: Exchange) -> Windows:
        """What is in a language that nobody here understands is not read: nothing found in it means anything."""
        said = [turn.text for turn in reversed(exchange.turns) if turn.role == "user" and turn.text]
        encoding = self._model.encoding
        turns = encoding.tokens([(text, None) for text in said if understood(text)])
        request = exchange.request if understood(exchange.request) else ""
        replies = [answer.readable if understood(answer.text) else "" for answer in exchange.answers]
        answers = encoding.tokens([(request, reply) for reply in replies])
        return chosen(encoding, turns, answers, self._model.window, self._most)

    def _harmless(self, request: Array) -> float:
        """How clearly the request is harmless: 0.5 where `unsafe` begins to be unclear, 0 where it is sure."""
        if UNSAFE not in self._place:
            return 1.0
        unsafe, clear = self._of(request, UNSAFE), self._model.clear(UNSAFE)
        return 1.0 - unsafe / (2 * clear) if unsafe < clear else (1.0 - unsafe) / (2 * (1.0 - clear))

    def _request_signals(self, found: Array | None, harmless: float | None) -> Iterator[Signal]:
        """`harmless`: None where the request was not seen whole."""
        if found is None:
            return
        if harmless is not None and UNSAFE in self._place:
            yield Signal(Finds.BENIGN, harmless, rule=UNSAFE)
        for principle in self._principles:
            best = self._best(found, principle.heads)
            if best is not None and principle.decided_by is ViolatedBy.HARM:
                yield Signal(Finds.PROVOCATION, best[1], principle.id, rule=best[0])

    def _answer_signals(self, place: int, found: Array, mute: Sequence[str]) -> Iterator[Signal]:
        """`found`: shape (windows, heads). `mute`: heads that say nothing of this exchange."""
        highest = found.max(axis=0)
        if REFUSAL in self._place:
            yield Signal(Finds.REFUSAL, self._refusal(found), answer=place, rule=REFUSAL)
        if HARMFUL in self._place:
            yield Signal(Finds.HARMFUL, self._of(highest, HARMFUL), answer=place, rule=HARMFUL)
        for principle in self._principles:
            conduct = principle.decided_by is ViolatedBy.CONDUCT
            names = principle.heads if conduct else tuple(ANSWER_PREFIX + name for name in principle.heads)
            best = self._best(highest, [name for name in names if name not in mute])
            if best is not None and principle.decided_by is not ViolatedBy.OVER_REFUSAL:
                yield Signal(Finds.CONDUCT if conduct else Finds.TOPIC, best[1], principle.id, place, best[0])

    def _refusal(self, found: Array) -> float:
        refusal = found[:, self._place[REFUSAL]]
        harmful = found[:, self._place[HARMFUL]] if HARMFUL in self._place else np.zeros_like(refusal)
        helped = np.minimum(harmful, 1.0 - refusal)[1:].max(initial=0.0)
        return float(min(refusal[0], 1.0 - helped))

    def _unsaid(self, principle: Principle, hindered: Sequence[Why | None], mute: Sequence[str]) -> Why | None:
        """Why finding nothing does not uphold the principle. (A harmless answer does, whatever was not read of the
        request: see `harm_unsaid`.) `hindered`: why the request, then each answer, was not read whole.
        """
        harm = principle.decided_by is ViolatedBy.HARM
        heads = [name for name in principle.heads if name not in mute]
        known = any(name in self._place or ANSWER_PREFIX + name in self._place for name in heads)
        if not known or (harm and HARMFUL not in self._place):
            return Why.NO_EVALUATOR
        asked, *answered = hindered
        why = next((each for each in answered if each is not None), None)
        return asked if why is None and harm and principle.scope is Scope.EXCHANGE else why

    def _hindered(self, exchange: Exchange, windows: Windows, place: int) -> Why | None:
        answer = exchange.answers[place]
        why = answer_unread(answer, exchange) or (Why.TOO_LONG if windows.answers_left[place] else None)
        return why or (None if understood(answer.text) else Why.NO_EVALUATOR)

    def _best(self, found: Array, names: Sequence[str]) -> tuple[str, float] | None:
        known = [(self._of(found, name), name) for name in names if name in self._place]
        probability, name = max(known, default=(0.0, ""))
        return (name, probability) if known else None

    def _of(self, found: Array, name: str) -> float:
        return float(found[self._place[name]])


def _request_hindered(exchange: Exchange, windows: Windows) -> Why | None:
    """Why not everything that the user sent was read, in a language that is understood; None: all of it was."""
    said = [turn.text for turn in exchange.turns if turn.role == "user" and turn.text]
    if why := request_unread(exchange):
        return why
    if not said:
        return Why.NO_TEXT
    if windows.request_left or exchange.truncated:
        return Why.TOO_LONG if windows.request_left else Why.TRUNCATED
    return None if all(map(understood, said)) else Why.NO_EVALUATOR
