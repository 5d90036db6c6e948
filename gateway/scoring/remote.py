"""Verdicts by scorers that run elsewhere: exchanges go out, findings come back, in any order, once or more often.

The gateway's own scorer stays what writes verdicts, each once and in its place; only the reading is done for it. So
it does not matter which scorer has an exchange, how often, or whether that one lives to tell.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from classifiers.exchange import Exchange
from classifiers.verdict import Verdict, Why
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.events.trouble import tell
from gateway.patience import Patience
from gateway.ports import BrokersAway, Clock
from gateway.scoring.evaluation import Evaluated, Evaluator

log = structlog.get_logger(__name__)

SILENT_SECONDS = 10.0
"""With so long no answer to anything that was asked people are told."""
_AGAIN_SECONDS, _MOST_SECONDS = 20.0, 600.0
"""After so long without any answer what is still open is asked again, then ever more seldom: scorers may have died
with it. Kafka keeps it for an hour.
"""
_WAIT_SECONDS = 0.2
_RECENT_SECONDS = 300.0
_HOW = "tipstaff scorer CONFIG --from kafka"


class Unanswered(Exception):
    """Not all of them have their findings yet. What has come is kept for the next try."""


class Post(Protocol):
    """To the scorers and back. Blocking, for one thread. All but `close` raise BrokersAway."""

    def begin(self) -> None:
        """Nothing that was asked before is of interest any more."""

    def send(self, exchanges: Sequence[ExchangeV1]) -> dict[str, str]:
        """Hand them over; id -> why, of those that can never be taken."""

    def receive(self, seconds: float) -> list[ScoreV1]:
        """What has come back to this gateway; waits that long for the first."""

    def close(self) -> None:
        """Let go, of what is under way too; a second call does nothing."""


class Found:
    """`gateway.ports.Classifier` that knows what scorers have found: exchange id -> verdict."""

    def __init__(self, constitution: str) -> None:
        self.constitution = constitution
        self.scores: dict[str, Verdict] = {}

    def classify(self, exchanges: Sequence[Exchange]) -> Sequence[Verdict]:
        """See the port."""
        return [self.scores[each.id] for each in exchanges]


class _Asked(msgspec.Struct):
    again: float
    pause: float


class RemoteEvaluator:
    """In the place of an `Evaluator`. `here`: one over `found`, for what is to be kept of texts.

    `trouble`: the file that says why nothing comes, empty while it does.
    """

    at_once = 256
    """Exchanges that scorers are given at once: enough that none of them waits for the way there and back."""

    def __init__(self, post: Post, found: Found, here: Evaluator, *, trouble: Path, clock: Clock) -> None:
        self._post = post
        self._found = found
        self._here = here
        self._trouble = trouble
        self._clock = clock
        self._patience = Patience("asking scorers over Kafka", clock, (BrokersAway,))
        self._telling = Patience("telling of scorers", clock)
        self._asked: dict[str, _Asked] = {}
        self._heard_at = clock.monotonic()
        self._away = ""
        self._others: dict[str, float] = {}
        """Constitution of a scorer -> when it last answered by it."""

    def evaluate(self, exchanges: Sequence[ExchangeV1]) -> list[Evaluated]:
        """One result per exchange, in order. Raises Unanswered."""
        waiting = [each for each in exchanges if each.id not in self._found.scores]
        if waiting and self._patience.due:
            with self._patience.trying():
                self._ask(waiting)
        waiting = [each for each in waiting if each.id not in self._found.scores]
        with self._telling.trying():
            self._tell(waiting)
        if waiting:
            raise Unanswered
        return self._results(exchanges)

    def _ask(self, waiting: Sequence[ExchangeV1]) -> None:
        try:
            self._send([each for each in waiting if self._due(each.id)])
            while any(each.id not in self._found.scores for each in waiting):
                if not (came := self._post.receive(_WAIT_SECONDS)):
                    break
                for score in came:
                    self._take(score)
        except BrokersAway as error:
            self._away = str(error)
            self._asked.clear()
            self._post.close()
            raise
        self._away = ""

    def _due(self, exchange_id: str) -> bool:
        asked, now = self._asked.get(exchange_id), self._clock.monotonic()
        return asked is None or (now >= asked.again and now >= self._heard_at + _AGAIN_SECONDS)

    def _send(self, due: Sequence[ExchangeV1]) -> None:
        if not due:
            return
        now = self._clock.monotonic()
        if not self._asked:
            self._post.begin()
            self._heard_at = now  # there was nothing to answer
        for each in due:
            before = self._asked.get(each.id)
            pause = _AGAIN_SECONDS if before is None else min(2 * before.pause, _MOST_SECONDS)
            self._asked[each.id] = _Asked(now + pause, pause)
        for exchange_id, why in self._post.send(due).items():
            log.warning("no scorer reads an exchange: Kafka does not take it", exchange=exchange_id, why=why)
            self._found.scores[exchange_id] = self.without(Why.TOO_LONG).verdict

    def _take(self, score: ScoreV1) -> None:
        if score.exchange_id in self._asked:  # else it is known, or of a process before
            self._heard_at = self._clock.monotonic()
            self._found.scores.setdefault(score.exchange_id, score.verdict)
            if score.verdict.constitution != self._found.constitution:
                self._others[score.verdict.constitution] = self._heard_at

    def settled(self, exchanges: Sequence[ExchangeV1]) -> None:
        """These have their verdicts."""
        self._here.settled(exchanges)
        for each in exchanges:
            self._found.scores.pop(each.id, None)
            self._asked.pop(each.id, None)

    def without(self, why: Why) -> Evaluated:
        """The result for an exchange that was not evaluated at all: no findings, no text."""
        return self._here.without(why)

    def _results(self, exchanges: Sequence[ExchangeV1]) -> list[Evaluated]:
        """What could not be read is not read here either; of all else the text is kept."""
        unread = _unread(exchanges, self._found.scores)
        kept = iter(self._here.evaluate([each for each in exchanges if each.id not in unread]))
        return [Evaluated(unread[each.id], None) if each.id in unread else next(kept) for each in exchanges]

    def _tell(self, waiting: Sequence[ExchangeV1]) -> None:
        silent = bool(waiting) and self._clock.monotonic() - self._heard_at > SILENT_SECONDS
        words = [self._away] if self._away else []
        if silent and not self._away:
            words.append(f"no scorer has answered for {SILENT_SECONDS:.0f} s or longer: does one run? {_HOW}")
        recent = self._clock.monotonic() - _RECENT_SECONDS
        if others := [each for each, at in self._others.items() if at > recent]:
            by = ", ".join(others)
            words.append(f"scorers read by the constitution {by}, this gateway by {self._found.constitution}")
        tell(self._trouble, "; ".join(words))


def _unread(exchanges: Sequence[ExchangeV1], scores: Mapping[str, Verdict]) -> dict[str, Verdict]:
    return {each.id: scores[each.id] for each in exchanges if scores[each.id].not_evaluated is not None}
