"""Confidence sequences for display: right at all times at once. Nothing decides on them."""

from collections.abc import Callable
from math import lgamma, log, sqrt

import msgspec

_NARROWEST = 5000
"""n0: closed periods at which most rollouts are decided."""
_HALVINGS = 50


class Moments(msgspec.Struct, frozen=True):
    """Of the terms of a mean: how many, their sum, the sum of their squares."""

    count: int
    total: float
    squares: float


def mean_interval(moments: Moments, alpha: float) -> tuple[float, float]:
    """Of outcomes in [0, 1], for any number of them; (0, 1) for fewer than two.

    The means m against which the evidence is below 1/alpha, with S the sum of n outcomes and B the beta function:
    B(S + 1/2, n - S + 1/2) / (B(1/2, 1/2) m^S (1 - m)^(n - S)). For outcomes of 0 and 1 this is Robbins' mixture
    of binomial likelihood ratios; between 0 and 1 each ratio is convex, so that its mean is at most 1
    (sub-Bernoulli: Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 2021, arXiv 1810.08240).
    An asymptotic sequence won't do for what is rare: at a rate of 1 % its 95 % intervals miss the truth at some
    time in half of all rollouts.
    """
    n, total = moments.count, moments.total
    if n < 2:
        return 0.0, 1.0
    most = log(1.0 / alpha) - _log_beta(total + 0.5, n - total + 0.5) + _log_beta(0.5, 0.5)

    def holds(mean: float) -> bool:
        return -_times_log(total, mean) - _times_log(n - total, 1.0 - mean) < most

    mean = min(max(total / n, 0.0), 1.0)
    return _edge(holds, mean, 0.0), _edge(holds, mean, 1.0)


def difference_interval(moments: Moments, overlap: float, alpha: float) -> tuple[float, float]:
    """Of a difference in [-1, 1], from terms (A - rho)(g - b), whose conditional mean is rho (1 - rho) times it;
    (-1, 1) for fewer than two. `overlap`: the sum of rho (1 - rho); where the difference changes, it is that of the
    mean with these weights, which leans on the stages in which both arms had traffic.

    An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 2024,
    arXiv 2103.06476): with mean m, variance v, n terms and level alpha,
    m +- sqrt(v) sqrt(2 (n r^2 + 1) / (n^2 r^2) log(sqrt(n r^2 + 1) / alpha)),
    r^2 = (-2 log alpha + log(-2 log alpha) + 1) / n0, which makes it narrowest at n0 terms.
    To v it adds that of one term as large as can be, 1: while the rare arm has seen nothing rare, the variance of
    what was seen says nothing (at a share of 1 % the plain interval misses the truth in 9 of 10 rollouts).
    """
    n = moments.count
    if n < 2 or overlap <= 0:
        return -1.0, 1.0
    mean = moments.total / n
    variance = max(moments.squares / n - mean * mean, 0.0) + 1.0 / n
    spread = n * (log(alpha**-2) + log(log(alpha**-2)) + 1.0) / _NARROWEST
    half = sqrt(variance * 2.0 * (spread + 1.0) / (n * spread) * log(sqrt(spread + 1.0) / alpha))
    return max((mean - half) * n / overlap, -1.0), min((mean + half) * n / overlap, 1.0)


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where `holds` ends between a point where it does and one where it need not."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return outside


def _log_beta(first: float, second: float) -> float:
    return lgamma(first) + lgamma(second) - lgamma(first + second)


def _times_log(count: float, share: float) -> float:
    return count * log(share) if count > 0 else 0.0
