"""The rules classifier: what is certain enough to be told by patterns."""

import time
from collections.abc import Callable, Iterable

from classifiers.cascade import Cascade
from classifiers.constitution import Constitution
from classifiers.rules.reader import RulesReader

__all__ = ["RulesClassifier", "RulesReader"]


class RulesClassifier(Cascade):
    """Reads exchanges by rules alone."""

    def __init__(
        self,
        constitution: Constitution,
        facts: Iterable[str] = (),
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(constitution, [RulesReader(constitution)], facts=facts, seconds=seconds)
