"""Numbers in sentences for people."""

from math import log10

_PLAIN = log10(99_999.5)
"""Log10 from which an e-value is written with its power of ten."""
_SHORT = 100
"""The power of ten from which there is room for one digit before it."""


def e_value(value: float) -> str:
    """An e-value, at least 0; see `e_value_of`."""
    return e_value_of(log10(value)) if value > 0 else "<0.01"


def e_value_of(exponent: float) -> str:
    """An e-value from its log10, in two digits or more, at most 6 characters: <0.01, 0.59, 61.7, 1,740, 3.3e8."""
    if exponent >= _PLAIN:
        mantissa, zeros = 10 ** (exponent % 1), int(exponent)
        if mantissa >= 9.95:
            mantissa, zeros = 1.0, zeros + 1
        return f"{mantissa:.1f}e{zeros}" if zeros < _SHORT else f"{mantissa:.0f}e{zeros}"
    value = 10**exponent
    if value < 9.995:
        return f"{value:.2f}" if value >= 0.01 else "<0.01"
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def bound(value: float) -> str:
    """What e-values are compared with: 20, 10,000."""
    return e_value(value).removesuffix(".00")


def spelled(seconds: float) -> str:
    """A time span of a plan: 6 h, 20 min, 90 s."""
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
