"""The cascade: every stage reads, the cheapest first, and one rule makes a verdict of what they found.

A stage that has used up its time for a call leaves the rest of the exchanges unread: what it did not say is "not
evaluated" for this reason, and never "upheld".
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from classifiers.condition import know
from classifiers.constitution import Constitution
from classifiers.exchange import Exchange
from classifiers.folding import Folder
from classifiers.resolution import applicable, resolve
from classifiers.signal import Reading
from classifiers.verdict import Verdict, Why

_TOGETHER = 16
"""Exchanges that a stage reads between two looks at the clock."""


class Stage(Protocol):
    """One evaluator: rules, the encoder, later judges."""

    name: str
    version: str

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        """One reading for each exchange, in order."""


class Cascade:
    """Reads exchanges by all of its stages.

    facts: what the operator states of this deployment. budget: seconds that a stage may take for one exchange, on
    average over a call; infinite: as long as it takes. seconds: a clock that never goes back.
    """

    def __init__(
        self,
        constitution: Constitution,
        stages: Sequence[Stage],
        *,
        facts: Iterable[str] = (),
        budget: float = float("inf"),
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.constitution = constitution.hash
        self._constitution = constitution
        self._stages = tuple(stages)
        self._facts = frozenset(facts)
        self._budget = budget
        self._seconds = seconds
        self._folder = Folder()

    def classify(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for every exchange, in order. Its seconds are a stage's time, shared evenly over a call."""
        readings: list[list[Reading]] = [[] for _ in exchanges]
        spent: dict[str, float] = {}
        for stage in self._stages:
            found, took = self._read(stage, exchanges)
            for own, reading in zip(readings, found, strict=True):
                own.append(reading)
            spent[stage.name] = took / max(len(exchanges), 1)
        return [
            msgspec.structs.replace(self._resolved(exchange, own), seconds=dict(spent))
            for exchange, own in zip(exchanges, readings, strict=True)
        ]

    def _read(self, stage: Stage, exchanges: Sequence[Exchange]) -> tuple[list[Reading], float]:
        """The readings, and the seconds that they took."""
        began = now = self._seconds()
        found: list[Reading] = []
        for start in range(0, len(exchanges), _TOGETHER):
            group = exchanges[start : start + _TOGETHER]
            late = now - began > self._budget * len(exchanges)
            found += [self._skipped(stage, each) for each in group] if late else stage.read(group)
            now = self._seconds()
        return found, now - began

    def _skipped(self, stage: Stage, exchange: Exchange) -> Reading:
        return Reading(
            by=stage.name,
            version=stage.version,
            unsaid=dict.fromkeys((each.id for each in self._constitution.principles), Why.TIMED_OUT),
            refusal_unsaid=dict.fromkeys(range(len(exchange.answers)), Why.TIMED_OUT),
        )

    def _resolved(self, exchange: Exchange, readings: Sequence[Reading]) -> Verdict:
        known = know(exchange, self._constitution.facts, self._facts, self._folder)
        applying = applicable(self._constitution, known, self._folder)
        return resolve(self._constitution, applying, exchange, readings)
