"""The scorer's loop: raw exchanges in, exactly one verdict each out."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from classifiers.verdict import Verdict, Why
from gateway.events.schema import ExchangeV1, VerdictV1
from gateway.ports import Batch, Clock, Entry, EventLog, LogFull
from gateway.scoring.evaluation import Evaluated, Evaluator
from gateway.scoring.horizon import Horizon
from gateway.scoring.remote import RemoteEvaluator, Unanswered
from gateway.scoring.sampling import Sample
from gateway.scoring.tally import Tally
from gateway.scoring.texts import KeptText, KeptTexts, TextsUnwritable
from gateway.telemetry.metrics import DROPPED, PRODUCED, SCORER_LAG, STARTED, Meters

if TYPE_CHECKING:
    from gateway.scoring.spans import ExchangeSpans  # with the SDK of OpenTelemetry, which few need

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 0.05
_TICK_SECONDS = 0.25
_FULL_SECONDS = 1.0
_PURGE_SECONDS = 60.0


class Scorer:
    """Reads `exchanges` from where its own log says it stopped, and appends their verdicts.

    The order is what makes it safe to kill at any moment: the text is kept (again, if need be), then verdicts
    and the position behind their exchanges are appended in one atomic step, then they are counted. A verdict
    that cannot be appended is not lost: its exchange is read again. `duty`: a piece of other work on the same
    files, a few times a second. `spans` hears of what is counted; a process that is killed before tells nobody.
    """

    def __init__(  # noqa: PLR0913 - what a verdict needs, and who hears of it
        self,
        log: EventLog,
        evaluator: Evaluator | RemoteEvaluator,
        texts: KeptTexts,
        *,
        meters: Meters,
        clock: Clock,
        sample: Sample,
        horizon: Horizon,
        duty: Callable[[], object] = lambda: None,
        spans: "ExchangeSpans | None" = None,
    ) -> None:
        self._log = log
        self._evaluator = evaluator
        self._texts = texts
        self._clock = clock
        self._sample = sample
        self._tally = Tally(meters)
        self._lag = meters.gauge(SCORER_LAG)
        self._texts_started = meters.counter(STARTED, "texts")
        self._texts_kept = meters.counter(PRODUCED, "texts")
        self._texts_dropped = meters.counter(DROPPED, "texts", "unwritable")
        self._horizon = horizon
        self._duty = duty
        self._spans = spans
        self._waiting: Batch | None = None
        """Not all of it has its findings yet."""
        self._ticked = self._purged = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Score until `stop` is set; the batch in hand is finished first."""
        if late := self._tally.catch_up(self._log):
            log.info("verdicts of the process before were counted", verdicts=late)
        while not stop.is_set():
            try:
                idle = 0.0 if self.step() else _IDLE_SECONDS
            except LogFull as error:
                log.error("verdicts cannot be written, trying again", error=str(error))  # noqa: TRY400 - it says all
                idle = _FULL_SECONDS
            if idle:
                stop.wait(idle)

    def step(self) -> int:
        """Score one batch; returns how many exchanges it had. Raises LogFull, having scored none."""
        batch, self._waiting = self._waiting or self._next(), None
        self._lag.set(self._age(batch.entries))
        scored = 0
        try:
            self._take(batch)
            scored = len(batch.entries)
        except Unanswered:  # with others, that come meanwhile, it would wait for those too
            self._waiting = batch
        except LogFull:  # the horizon is beyond it already: nothing may be said before it is written
            self._waiting = batch
            raise
        self._upkeep()
        return scored

    def _next(self) -> Batch:
        return self._log.read("exchanges", self._log.consumed("exchanges"), self._evaluator.at_once)

    def _take(self, batch: Batch) -> None:
        """Score all of it, or nothing: raises Unanswered, LogFull."""
        found = [(entry, entry.event) for entry in batch.entries if isinstance(entry.event, ExchangeV1)]
        results = self._results([exchange for _, exchange in found])
        self._horizon.see(batch)
        if found:
            self._write(batch, found, results)

    def _write(self, batch: Batch, found: Sequence[tuple[Entry, ExchangeV1]], results: Sequence[Evaluated]) -> None:
        exchanges = [exchange for _, exchange in found]
        self._keep([_filed(exchange, result) for exchange, result in zip(exchanges, results, strict=True)])
        verdicts = [
            self._verdict(entry, exchange, result.verdict)
            for (entry, exchange), result in zip(found, results, strict=True)
        ]
        self._log.append("verdicts", verdicts, {"exchanges": batch.positions}, self._horizon.time_us)
        self._evaluator.settled(exchanges)
        for verdict in verdicts:
            self._tally.count(verdict)
        if self._spans is not None:
            self._spans.tell(list(zip(exchanges, verdicts, [each.text for each in results], strict=True)))

    def _results(self, exchanges: Sequence[ExchangeV1]) -> list[Evaluated]:
        drawn = [self._sample.takes(exchange.assignment.unit_hash) for exchange in exchanges]
        chosen = [exchange for exchange, is_drawn in zip(exchanges, drawn, strict=True) if is_drawn]
        scored = iter(self._evaluator.evaluate(chosen))
        return [next(scored) if is_drawn else self._evaluator.without(Why.UNSAMPLED) for is_drawn in drawn]

    def _keep(self, found: Sequence[KeptText | None]) -> None:
        """Text is worth less than its verdict: where it cannot be written it is dropped, and counted."""
        texts = [text for text in found if text is not None]
        if not texts:
            return
        outcome = self._texts_kept
        try:
            self._texts.put(texts)
        except TextsUnwritable as error:
            log.error("redacted text is lost", exchanges=len(texts), error=str(error))  # noqa: TRY400 - it says all
            outcome = self._texts_dropped
        self._texts_started.inc(len(texts))
        outcome.inc(len(texts))

    def _verdict(self, entry: Entry, exchange: ExchangeV1, verdict: Verdict) -> VerdictV1:
        return VerdictV1(
            id=f"{exchange.id}verdict",
            exchange_id=exchange.id,
            time_us=entry.time_us,
            producer=entry.producer,
            sequence=entry.sequence,
            model=exchange.model,
            route=exchange.route,
            assignment=exchange.assignment,
            status=exchange.status,
            reason=exchange.reason,
            streamed=exchange.streamed,
            timing=exchange.timing,
            request_bytes=exchange.request.size,
            response_bytes=exchange.response.size,
            verdict=verdict,
            sampled=self._sample.share,
            trace_id="" if exchange.trace is None else exchange.trace.kept(violates=bool(verdict.violations)),
        )

    def _age(self, entries: Sequence[Entry]) -> float:
        """Seconds since the oldest exchange without a verdict was recorded; 0 when there is none."""
        oldest = min((entry.time_us for entry in entries), default=None)
        return 0.0 if oldest is None else max(self._clock.now_us() - oldest, 0) / 1e6

    def _upkeep(self) -> None:
        now = self._clock.monotonic()
        if now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._log.tick("verdicts", self._horizon.time_us)
            self._duty()
        if now - self._purged >= _PURGE_SECONDS:
            self._purged = now
            self._texts.purge()


def _filed(exchange: ExchangeV1, result: Evaluated) -> KeptText | None:
    """Its text with what decides how long that stays."""
    if result.text is None:
        return None
    flagged = result.verdict.severity is not None
    return msgspec.structs.replace(result.text, arm=exchange.assignment.assigned, flagged=flagged)
