"""What people's labels say of one rollout: its arms' exchanges and flags from its state, the labels on them, and
what follows from both.

Only labels on harm count (see gateway.curation.sampling.HARMLESSNESS), of exchanges that a random sample held and
that are evidence in this rollout: what somebody looked up because it was bad speaks for no other exchange.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from classifiers.constitution import Constitution
from gateway.controller.index import ExchangeIndex
from gateway.controller.kept_rollout import Kept
from gateway.controller.outcomes import Pins, Reading
from gateway.curation.labels import judged
from gateway.curation.sampling import HARMLESSNESS
from gateway.curation.store import LabelStore
from gateway.events.schema import VerdictV1
from gateway.rollout.correction import ArmLabels, Correction, Stratum, assess
from gateway.rollout.state import RolloutState, exchanges_per_unit

_LOOKED_UP = 1000

Tally = Mapping[tuple[bool, bool, bool], int]
"""Labelled exchanges by (canary, flagged, violating)."""


class _Counted(msgspec.Struct, frozen=True):
    """A tally, and what it was made from: it holds as long as that does."""

    rollout: str
    pins: Pins
    mark: tuple[int, ...]
    tally: Tally


class LabelCorrection:
    """See the module. May be called from any thread; counts labels only when there are others than before."""

    def __init__(self, labels: LabelStore, index: ExchangeIndex, constitution: Constitution) -> None:
        self._labels = labels
        self._index = index
        self._constitution = constitution
        self._counted: dict[str, _Counted] = {}

    def mark(self, model: str) -> tuple[int, ...]:
        """Another one whenever a model's labels are others than before. Raises sqlite3.Error, QueryTooSlow."""
        return self._labels.mark(model)

    def of(self, kept: Kept) -> Correction | None:
        """None where they have no say: in a drill, whose harm is made up, and without a guardrail on harm.

        Raises sqlite3.Error, QueryTooSlow.
        """
        state = kept.state
        margin = next((each.margin for each in kept.terms.plan.guardrails if each.metric == "harm"), None)
        if margin is None or state.drill:
            return None
        tally = self._tally(kept)
        stable, canary = (_arm(state, tally, canary=arm) for arm in (False, True))
        return assess(stable, canary, margin, exchanges_per_unit(state))

    def _tally(self, kept: Kept) -> Tally:
        """A second thread at the same time counts the same."""
        state, pins, mark = kept.state, kept.terms.pins, self.mark(kept.state.model)
        known = self._counted.get(state.model)
        if known is None or (known.rollout, known.pins, known.mark) != (state.rollout, pins, mark):
            known = _Counted(state.rollout, pins, mark, self._count(kept))
            self._counted[state.model] = known
        return known.tally

    def _count(self, kept: Kept) -> Tally:
        votes = self._labels.votes(kept.state.model, HARMLESSNESS, kept.state.started_us)
        said = {exchange: found for exchange, given in votes.items() if (found := judged(given)) is not None}
        terms = kept.terms
        reading = Reading(terms.plan, self._constitution, arms=(terms.stable, terms.canary), pins=terms.pins)
        tally: Counter[tuple[bool, bool, bool]] = Counter()
        for event in self._verdicts(said):
            seen = reading.observation(event)
            if seen is not None and seen.counts and seen.harm is not None:
                tally[seen.canary, seen.harm > 0, said[event.exchange_id]] += 1
        return tally

    def _verdicts(self, exchanges: Mapping[str, bool]) -> Iterator[VerdictV1]:
        wanted = iter(exchanges)
        while some := list(islice(wanted, _LOOKED_UP)):
            yield from self._index.verdicts(some).values()


def _arm(state: RolloutState, tally: Tally, *, canary: bool) -> ArmLabels:
    flagged, judged_ = state.flagged[canary], state.judged[canary]
    return ArmLabels(
        _stratum(tally, flagged, canary=canary, flag=True),
        _stratum(tally, judged_ - flagged, canary=canary, flag=False),
    )


def _stratum(tally: Tally, exchanges: int, *, canary: bool, flag: bool) -> Stratum:
    """A label may be on an exchange from while the rollout stood still: there are never fewer than labels."""
    upheld, violating = (tally.get((canary, flag, violates), 0) for violates in (False, True))
    return Stratum(max(exchanges, upheld + violating), upheld + violating, violating)
