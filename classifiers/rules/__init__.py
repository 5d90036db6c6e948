"""The rules classifier: what is certain enough to be told by patterns."""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from classifiers.condition import know
from classifiers.constitution import Constitution
from classifiers.exchange import Exchange
from classifiers.folding import Folder
from classifiers.resolution import applicable, resolve
from classifiers.rules.reader import RulesReader
from classifiers.verdict import Verdict

__all__ = ["RulesClassifier"]


class RulesClassifier:
    """Reads exchanges by rules alone.

    facts: what the operator states of this deployment. seconds: a clock that never goes back.
    """

    def __init__(
        self,
        constitution: Constitution,
        facts: Iterable[str] = (),
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.constitution = constitution.hash
        self._constitution = constitution
        self._facts = frozenset(facts)
        self._seconds = seconds
        self._folder = Folder()
        self._reader = RulesReader(constitution, self._folder)

    def classify(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for every exchange, in order."""
        return [self._classify(exchange) for exchange in exchanges]

    def _classify(self, exchange: Exchange) -> Verdict:
        started = self._seconds()
        known = know(exchange, self._constitution.facts, self._facts, self._folder)
        applying = applicable(self._constitution, known, self._folder)
        verdict = resolve(self._constitution, applying, exchange, [self._reader.read(exchange)])
        return msgspec.structs.replace(verdict, seconds={self._reader.name: self._seconds() - started})
