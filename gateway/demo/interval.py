"""An interval for a rate."""

from math import sqrt

_Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval for `count` of `total`, in [0, 1] (Wilson 1927, doi:10.2307/2276774).

    Centre (p + z²/2n) / (1 + z²/n), half width z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n). Without trials, [0, 1].
    """
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, _Z95**2
    scale = 1 + square / total
    centre = (share + square / (2 * total)) / scale
    half = _Z95 * sqrt(share * (1 - share) / total + square / (4 * total**2)) / scale
    return max(centre - half, 0.0), min(centre + half, 1.0)
