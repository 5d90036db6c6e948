"""Probabilities that may be unknown: the least and the most they can be."""

from collections.abc import Iterable

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """low <= probability <= high; equal when it is known, 0 and 1 when nothing is."""

    low: float
    high: float

    @property
    def complement(self) -> "Interval":
        """The probability of the opposite."""
        return Interval(1 - self.high, 1 - self.low)


NEVER = Interval(0.0, 0.0)
UNKNOWN = Interval(0.0, 1.0)


def every(parts: Iterable[Interval]) -> Interval:
    """AND, as the weakest of the parts: min. See classifiers.resolution for why."""
    known = tuple(parts)
    return Interval(min(part.low for part in known), min(part.high for part in known))


def some(parts: Iterable[Interval]) -> Interval:
    """OR, as the strongest of the parts: max; of nothing, NEVER."""
    known = (NEVER, *parts)
    return Interval(max(part.low for part in known), max(part.high for part in known))
