"""Verdicts by scorers that run elsewhere: exchanges go out, findings come back, in any order, once or more often.

The gateway's own scorer stays what writes verdicts, each once and in its place; only the reading is done for it. So
it does not matter which scorer has an exchange, how often, or whether that one lives to tell.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from classifiers.verdict import Verdict, Why
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.events.trouble import tell
from gateway.patience import Patience
from gateway.ports import BrokersAway, Clock
from gateway.scoring.evaluation import Decode, Evaluated
from gateway.scoring.keeping import keep

log = structlog.get_logger(__name__)

SILENT_SECONDS = 10.0
"""With so long no answer to anything that was asked people are told."""
_AGAIN_SECONDS = 60.0
"""After so long an exchange is asked of again, then after twice that: its scorer may have died with it."""
_WAIT_SECONDS = 0.2


class Unanswered(Exception):
    """Not all of them have their findings yet. What has come is kept for the next try."""


class Post(Protocol):
    """To the scorers and back. Blocking, for one thread. Both raise BrokersAway: then all must be asked again."""

    def send(self, exchanges: Sequence[ExchangeV1]) -> set[str]:
        """Hand them over; the ids of those that can never be taken."""

    def receive(self, seconds: float) -> list[ScoreV1]:
        """What has come back to this gateway; waits that long for the first."""

    def close(self) -> None:
        """Let go; a second call does nothing."""


class _Asked(msgspec.Struct):
    at: float
    again: float


class RemoteEvaluator:
    """In the place of an `Evaluator`. `constitution`: content hash of this gateway's. `trouble`: the file that says
    why nothing comes, empty while it does.
    """

    at_once = 256
    """Exchanges that scorers are given at once: enough that none of them waits for the way there and back."""

    def __init__(self, post: Post, constitution: str, decode: Decode, *, trouble: Path, clock: Clock) -> None:
        self._post = post
        self._constitution = constitution
        self._decode = decode
        self._trouble = trouble
        self._clock = clock
        self._patience = Patience("asking scorers over Kafka", clock, (BrokersAway,))
        self._asked: dict[str, _Asked] = {}
        self._scores: dict[str, Verdict] = {}
        self._heard_at = clock.monotonic()
        self._away = ""
        self._other = ""

    def evaluate(self, exchanges: Sequence[ExchangeV1]) -> list[Evaluated]:
        """One result per exchange, in order. Raises Unanswered."""
        waiting = [each for each in exchanges if each.id not in self._scores]
        if waiting and self._patience.due:
            with self._patience.trying():
                self._ask(waiting)
        self._tell()
        if any(each.id not in self._scores for each in exchanges):
            raise Unanswered
        return [self._result(each, self._scores[each.id]) for each in exchanges]

    def _ask(self, waiting: Sequence[ExchangeV1]) -> None:
        try:
            self._send([each for each in waiting if self._due(each.id)])
            while any(each.id not in self._scores for each in waiting):
                if not (came := self._post.receive(_WAIT_SECONDS)):
                    break
                for score in came:
                    self._take(score)
        except BrokersAway as error:
            self._away = str(error)
            self._asked.clear()
            raise
        self._away = ""

    def _due(self, exchange_id: str) -> bool:
        asked = self._asked.get(exchange_id)
        return asked is None or self._clock.monotonic() >= asked.again

    def _send(self, due: Sequence[ExchangeV1]) -> None:
        if not due:
            return
        now = self._clock.monotonic()
        if not self._asked:
            self._heard_at = now  # there was nothing to answer
        for each in due:
            before = self._asked.get(each.id)
            pause = _AGAIN_SECONDS if before is None else 2 * (before.again - before.at)
            self._asked[each.id] = _Asked(now, now + pause)
        for refused in self._post.send(due):
            log.warning("an exchange is too large for Kafka, so no scorer reads it", exchange=refused)
            self._scores[refused] = self.without(Why.TOO_LONG).verdict

    def _take(self, score: ScoreV1) -> None:
        self._heard_at = self._clock.monotonic()
        if score.exchange_id in self._asked:  # else it is known, or of a process before
            self._scores.setdefault(score.exchange_id, score.verdict)
            self._other = score.verdict.constitution if score.verdict.constitution != self._constitution else ""

    def settled(self, exchanges: Sequence[ExchangeV1]) -> None:
        """These have their verdicts."""
        for each in exchanges:
            self._scores.pop(each.id, None)
            self._asked.pop(each.id, None)

    def without(self, why: Why) -> Evaluated:
        """The result for an exchange that was not evaluated at all: no findings, no text."""
        return Evaluated(Verdict((), self._constitution, {}, not_evaluated=why), None)

    def _result(self, exchange: ExchangeV1, verdict: Verdict) -> Evaluated:
        readable = self._decode(exchange)
        if isinstance(readable, Why):
            return Evaluated(verdict, None)
        text, moved = keep(readable.exchange, readable.names, verdict)
        return Evaluated(moved, text)

    def _tell(self) -> None:
        silent = self._clock.monotonic() - self._heard_at if self._asked else 0.0
        words = [self._away] if self._away else []
        if not self._away and silent > SILENT_SECONDS:
            words.append(f"no scorer has answered for {silent:.0f} s: does one run (tipstaff scorer --from kafka)?")
        if self._other:
            words.append(f"scorers read by the constitution {self._other}, this gateway's is {self._constitution}")
        tell(self._trouble, "; ".join(words))
