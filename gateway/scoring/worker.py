"""A scorer of its own: exchanges of many gateways in, what was found in each out. It keeps nothing of them.

What it has not said by the time it dies another one reads again; what is said twice counts once, at the gateway.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from gateway.events.cloudevents import parse
from gateway.events.gather import Read
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.patience import Patience
from gateway.ports import BrokersAway, Clock, Entry, Sink
from gateway.processes import SCORER
from gateway.scoring.evaluation import Evaluator

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.2
_AWAY_SECONDS = 0.1


class Group(Protocol):
    """The exchanges that are this one's among all scorers. Blocking. Both raise BrokersAway."""

    def poll(self, seconds: float) -> list[Read]:
        """The next ones; waits that long for the first."""

    def commit(self) -> None:
        """All that was polled is done."""

    def close(self) -> None:
        """Let go, so that others have them; a second call does nothing."""


class Worker:
    """See the module. Not for two threads at once."""

    def __init__(self, group: Group, sink: Sink, evaluator: Evaluator, clock: Clock) -> None:
        self._group = group
        self._sink = sink
        self._evaluator = evaluator
        self._clock = clock
        self._patience = Patience("scoring for gateways", clock, (BrokersAway,))
        self._count = 0

    def run(self, stop: threading.Event) -> None:
        """Score until `stop` is set; what is in hand is finished first."""
        while not stop.is_set():
            if self._patience.due:
                with self._patience.trying():
                    self.step()
            else:
                stop.wait(_AWAY_SECONDS)

    def step(self) -> int:
        """Score what there is; of how many. Raises BrokersAway: then they come again, here or at another."""
        try:
            found = list(_exchanges(self._group.poll(_POLL_SECONDS)))
            if found:
                self._score([gateway for gateway, _ in found], [exchange for _, exchange in found])
                self._group.commit()
        except BrokersAway:
            self._group.close()
            raise
        return len(found)

    def _score(self, gateways: Sequence[str], exchanges: Sequence[ExchangeV1]) -> None:
        results = self._evaluator.evaluate(exchanges)
        now_us = self._clock.now_us()
        entries = []
        for gateway, exchange, result in zip(gateways, exchanges, results, strict=True):
            self._count += 1
            score = ScoreV1(f"{exchange.id}score", exchange.id, gateway, result.verdict)
            entries.append(Entry(SCORER, self._count, now_us, score))
        self._sink.deliver(entries)
        self._evaluator.settled(exchanges)


def _exchanges(reads: Sequence[Read]) -> "list[tuple[str, ExchangeV1]]":
    found = []
    for each in reads:
        try:
            gateway, entry = parse(each.headers, each.payload)
        except ValueError as error:
            log.warning("a record is passed over", partition=each.partition, offset=each.offset, why=str(error))
            continue
        if isinstance(entry.event, ExchangeV1):
            found.append((gateway, entry.event))
    return found
