"""One verdict for each exchange, whatever happens: read, judged, redacted, or the reason why not."""

import logging
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import structlog

from classifiers.exchange import Exchange
from classifiers.verdict import Verdict, Why
from gateway.events.schema import ExchangeV1
from gateway.ports import Classifier, Clock
from gateway.scoring.decode import Readable
from gateway.scoring.keeping import keep
from gateway.scoring.mark import FATAL, Mark
from gateway.scoring.texts import KeptText
from gateway.scoring.watchdog import Watchdog

log = structlog.get_logger(__name__)

_TOGETHER = 16
"""Exchanges that a classifier is given at once, under one deadline."""

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
Decode = Callable[[ExchangeV1], Readable | Why]


class Evaluated(msgspec.Struct, frozen=True):
    """What became of one exchange; `text` is None when there is none to keep."""

    verdict: Verdict
    text: KeptText | None


class Evaluator:
    """Runs the classifier so that one bad exchange costs only itself.

    Where the classifier raises, the exchanges that were given together are tried one by one, and the bad one is
    FAILED. Where it kills the process, or does not come back before the watchdog's deadline, the next process tries
    what was in hand one by one; an exchange that did so twice is passed over as CRASHED or TIMED_OUT.

    `keeps`: False for one that has no use for texts.
    """

    at_once = 64
    """Exchanges to be read from the log for it at once."""

    def __init__(
        self,
        classifier: Classifier,
        decode: Decode,
        *,
        mark: Mark,
        watchdog: Watchdog,
        clock: Clock,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._classifier = classifier
        self._decode = decode
        self._mark = mark
        self._watchdog = watchdog
        self._clock = clock
        self._failures: set[str] = set()

    @property
    def constitution(self) -> str:
        """Content hash of the one that is read by."""
        return self._classifier.constitution

    def evaluate(self, exchanges: Sequence[ExchangeV1]) -> list[Evaluated]:
        """One result per exchange, in order. Never raises for what is in an exchange."""
        done: dict[int, Evaluated] = {}
        together: list[int] = []
        for index, exchange in enumerate(exchanges):
            suspect = self._mark.suspect(exchange.id)
            if suspect is None:
                together.append(index)
            elif suspect.deaths >= FATAL:
                log.error("an exchange is passed over", exchange=exchange.id, how=suspect.how)
                done[index] = self.without(Why.TIMED_OUT if suspect.how == "hung" else Why.CRASHED)
            else:
                done[index] = self._alone(exchange)
        for start in range(0, len(together), _TOGETHER):
            chunk = together[start : start + _TOGETHER]
            done.update(zip(chunk, self._chunk([exchanges[index] for index in chunk]), strict=True))
        return [done[index] for index in range(len(exchanges))]

    def settled(self, exchanges: Sequence[ExchangeV1]) -> None:
        """These have their verdicts: what the mark held against them is forgotten."""
        self._mark.settle(exchange.id for exchange in exchanges)

    def without(self, why: Why) -> Evaluated:
        """The result for an exchange that was not evaluated at all: no findings, no text."""
        return Evaluated(Verdict((), self._classifier.constitution, {}, not_evaluated=why), None)

    def _alone(self, exchange: ExchangeV1) -> Evaluated:
        try:
            return self._in_hand([exchange])[0]
        except Exception as error:  # noqa: BLE001 - any classifier's any error; told by verdict, metric and log
            self._tell(exchange, error)
            return self.without(Why.FAILED)

    def _tell(self, exchange: ExchangeV1, error: Exception) -> None:
        """The first failure of a kind with its place; a metric counts them all."""
        kind = type(error).__name__
        level = logging.DEBUG if kind in self._failures else logging.WARNING
        self._failures.add(kind)
        log.log(level, "a classifier failed", exchange=exchange.id, error=kind, place=_place(error))

    def _chunk(self, exchanges: list[ExchangeV1]) -> list[Evaluated]:
        try:
            return self._in_hand(exchanges)
        except Exception:  # noqa: BLE001 - tried again one by one, where each failure is told
            return [self._alone(exchange) for exchange in exchanges]

    def _in_hand(self, exchanges: list[ExchangeV1]) -> list[Evaluated]:
        self._mark.take(exchange.id for exchange in exchanges)
        try:
            with self._watchdog.guard():
                return self._judged(exchanges)
        finally:
            self._mark.put_down()

    def _judged(self, exchanges: list[ExchangeV1]) -> list[Evaluated]:
        decoded = [self._timed(self._decode, exchange) for exchange in exchanges]
        readable = [each for each, _ in decoded if isinstance(each, Readable)]
        verdicts = iter(self._classified([each.exchange for each in readable]))
        return [
            self._kept(each, next(verdicts), seconds) if isinstance(each, Readable) else self.without(each)
            for each, seconds in decoded
        ]

    def _classified(self, exchanges: list[Exchange]) -> Sequence[Verdict]:
        verdicts = self._classifier.classify(exchanges) if exchanges else ()
        if len(verdicts) != len(exchanges):
            raise ValueError(f"{len(verdicts)} verdicts for {len(exchanges)} exchanges")
        return verdicts

    def _kept(self, readable: Readable, verdict: Verdict, decoding: float) -> Evaluated:
        seconds = {"decode": decoding, **verdict.seconds}
        if not self._keeps:
            return Evaluated(msgspec.structs.replace(verdict, seconds=seconds), None)
        (text, moved), seconds["redact"] = self._timed(
            lambda each: keep(each.exchange, each.names, verdict), readable
        )
        return Evaluated(msgspec.structs.replace(moved, seconds=seconds), text)

    def _timed(self, work: Callable[[_Item], _Made], item: _Item) -> tuple[_Made, float]:
        began = self._clock.monotonic()
        return work(item), self._clock.monotonic() - began


def _place(error: Exception) -> str:
    """File, line and function where it was raised: never what the error says, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
