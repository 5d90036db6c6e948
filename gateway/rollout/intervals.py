"""Confidence sequences for display: right at all times at once. Nothing decides on them.

Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv 2103.06476): with mean m,
variance v, n terms and level alpha,
m +- sqrt(v) sqrt(2 (n r^2 + 1) / (n^2 r^2) log(sqrt(n r^2 + 1) / alpha)),
r^2 = (-2 log alpha + log(-2 log alpha) + 1) / n0, which makes them narrowest at n0 terms.
"""

from math import log, sqrt

import msgspec

_NARROWEST = 5000
"""n0: closed periods at which most rollouts are decided."""


class Moments(msgspec.Struct, frozen=True):
    """Of the terms of a mean: how many, their sum, the sum of their squares."""

    count: int
    total: float
    squares: float


def mean_interval(moments: Moments, alpha: float) -> tuple[float, float]:
    """Of outcomes in [0, 1]; (0, 1) for fewer than two."""
    return _interval(moments, alpha, 0.0)


def difference_interval(moments: Moments, alpha: float) -> tuple[float, float]:
    """Of a difference in [-1, 1], from terms that are unbiased for it; (-1, 1) for fewer than two."""
    return _interval(moments, alpha, -1.0)


def _interval(moments: Moments, alpha: float, least: float) -> tuple[float, float]:
    n = moments.count
    if n < 2:
        return least, 1.0
    mean = moments.total / n
    variance = max(moments.squares / n - mean * mean, 0.0) + 1.0 / n**2
    spread = n * (log(alpha**-2) + log(log(alpha**-2)) + 1.0) / _NARROWEST
    half = sqrt(variance * 2.0 * (spread + 1.0) / (n * spread) * log(sqrt(spread + 1.0) / alpha))
    return max(mean - half, least), min(mean + half, 1.0)
