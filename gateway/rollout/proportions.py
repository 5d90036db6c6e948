"""Intervals for shares that were counted: how far some of many speak for all."""

from collections.abc import Sequence
from math import sqrt

import msgspec
from scipy.special import betaincinv, ndtri  # type: ignore[import-untyped]  # scipy ships no types


class Estimate(msgspec.Struct, frozen=True):
    """A value and the interval that holds the true one, at the level that was asked for."""

    value: float
    low: float
    high: float


def wilson(hits: int, count: int, alpha: float) -> Estimate:
    """The score interval of a share (Wilson, JASA 1927, DOI 10.1080/01621459.1927.10502953); `count` 0: [0, 1]."""
    if not count:
        return Estimate(0.5, 0.0, 1.0)
    z, share = float(ndtri(1.0 - alpha / 2.0)), hits / count
    centre = (share + z * z / (2.0 * count)) / (1.0 + z * z / count)
    half = z / (1.0 + z * z / count) * sqrt(share * (1.0 - share) / count + z * z / (4.0 * count * count))
    return Estimate(share, max(min(centre - half, share), 0.0), min(max(centre + half, share), 1.0))


def clopper_pearson(hits: int, count: int, alpha: float) -> Estimate:
    """The exact interval of a share (Clopper and Pearson, Biometrika 1934, DOI 10.1093/biomet/26.4.404);
    `count` 0: [0, 1].
    """
    if not count:
        return Estimate(0.5, 0.0, 1.0)
    low = float(betaincinv(hits, count - hits + 1, alpha / 2.0)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1.0 - alpha / 2.0)) if hits < count else 1.0
    return Estimate(hits / count, low, high)


def combined(parts: Sequence[tuple[float, Estimate]]) -> Estimate:
    """The sum of independent estimates, each times its weight, from their intervals: the distances to the ends add
    up as squares (MOVER: Zou and Donner, Statistics in Medicine 2008, DOI 10.1002/sim.3095). Unlike a sum of
    variances it is right where nothing was found: no violation among 200 isn't no violation.
    """
    value = sum(weight * part.value for weight, part in parts)
    below = sum(
        min(weight * (part.low - part.value), weight * (part.high - part.value)) ** 2 for weight, part in parts
    )
    above = sum(
        max(weight * (part.low - part.value), weight * (part.high - part.value)) ** 2 for weight, part in parts
    )
    return Estimate(value, value - sqrt(below), value + sqrt(above))
