"""A scorer of its own: exchanges of many gateways in, what was found in each out. It keeps nothing of them.

What it has not said by the time it dies another one reads again; what is said twice counts once, at the gateway.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog
from msgspec.structs import replace

from classifiers.verdict import Why
from gateway.events.cloudevents import parse, sender_of
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
            came = self._group.poll(_POLL_SECONDS)
            if came:
                self._score(came)
                self._group.commit()
        except BrokersAway:
            self._group.close()
            raise
        return len(came)

    def _score(self, came: Sequence[Read]) -> None:
        asked, unread = _exchanges(came)
        exchanges = [exchange for _, exchange in asked]
        results = self._evaluator.evaluate(exchanges)
        scores = [
            ScoreV1(f"{exchange.id}score", exchange.id, gateway, result.verdict)
            for (gateway, exchange), result in zip(asked, results, strict=True)
        ]
        failed = self._evaluator.without(Why.FAILED).verdict
        scores += [ScoreV1(f"{each}score", each, gateway, failed) for gateway, each in unread]
        refused = self._sink.deliver(self._entries(scores))
        if refused:  # whoever waits must have an answer, if a short one
            short = self._evaluator.without(Why.TOO_LONG).verdict
            self._sink.deliver(self._entries([replace(scores[number], verdict=short) for number in refused]))
        self._evaluator.settled(exchanges)

    def _entries(self, scores: Sequence[ScoreV1]) -> list[Entry]:
        first, self._count = self._count, self._count + len(scores)
        now_us = self._clock.now_us()
        return [Entry(SCORER, first + number, now_us, each) for number, each in enumerate(scores)]


def _exchanges(came: Sequence[Read]) -> tuple[list[tuple[str, ExchangeV1]], list[tuple[str, str]]]:
    """Gateways and their exchanges; and, where only that much can be read, gateways and the ids of theirs."""
    found, unread = [], []
    for each in came:
        try:
            gateway, entry = parse(each.headers, each.payload)
        except ValueError as error:
            log.warning("a record cannot be read", partition=each.partition, offset=each.offset, why=str(error))
            if (sender := sender_of(each.headers)) is not None:
                unread.append(sender)
            continue
        if isinstance(entry.event, ExchangeV1):
            found.append((gateway, entry.event))
    return found, unread
