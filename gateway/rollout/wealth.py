"""E-values as wealth: products of factors, kept as float64 with a common power of two per row.

Multiplication by IEEE floats, in order, and scaling by powers of two after a fixed count of factors: the same
bits on every machine, however the events were batched. Sums of logarithms would not be (log1p differs between
libraries).
"""

from collections.abc import Sequence
from math import log2

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EVERY = 32
"""Factors between rescalings; with factors within 2^-16 .. 2^16 no product leaves the range of a float64."""
_LOG10_2 = 0.30102999566398119521


class Wealth:
    """`rows` e-values, each the sum of a mixture's parts.

    `prior`: what the parts start with, adding up to 1. The first part is cash: its factors must be 1. `cash`: by
    row, the share in [0, 1) that is held back so at the start, to be put in play later by `invest`.
    """

    __slots__ = ("_cash", "_count", "_exponents", "_parts", "_prior")

    def __init__(self, rows: int, prior: Array, cash: Sequence[float] = ()) -> None:
        self._prior = prior
        self._cash = list(cash) or [0.0] * rows
        held = np.array(self._cash)[:, None]
        self._parts: Array = prior * (1.0 - held)
        self._parts[:, :1] += held
        self._exponents = np.zeros(rows, dtype=np.int64)
        self._count = 0

    def multiply(self, factors: Array) -> None:
        """One event's factors, shape (rows, columns), each positive and below 2^16."""
        self._parts *= factors
        self._count += 1
        if self._count == _EVERY:
            self._rescale()

    def multiply_row(self, row: int, factors: Array) -> None:
        """The same for one row only, shape (columns,)."""
        self._parts[row] *= factors
        self._count += 1
        if self._count == _EVERY:
            self._rescale()

    def restart(self, row: int) -> None:
        """Begin a row anew: its e-value is 1."""
        self._parts[row] = self._prior
        self._exponents[row] = 0

    def invest(self, share: float) -> None:
        """Put this share, in [0, 1], of each row's cash in play, as it would be at a start.

        An e-process may hold cash and bet it later: what was lost before doesn't weigh on what comes (a mixture
        over starting times).
        """
        moved = self._parts[:, :1] * share
        self._parts += moved * self._prior
        self._parts[:, :1] -= moved

    def log2(self) -> list[float]:
        """The base-2 logarithm of each row's e-value."""
        sums = self._parts.sum(axis=1)
        return [
            log2(total) + exponent if total > 0 else float("-inf")
            for total, exponent in zip(sums.tolist(), self._exponents.tolist(), strict=True)
        ]

    def log10(self) -> list[float]:
        """The base-10 logarithm of each row's e-value."""
        return [value * _LOG10_2 for value in self.log2()]

    def bounded(self) -> Array:
        """Each row's e-value as a float, at most 2^1000: for means that are compared with thresholds."""
        return np.asarray(np.ldexp(self._parts.sum(axis=1), np.minimum(self._exponents, 800)))

    def _rescale(self) -> None:
        self._count = 0
        largest = self._parts.max(axis=1)
        _, shifts = np.frexp(np.maximum(largest, 2.0**-1000))
        self._parts = np.ldexp(self._parts, -shifts[:, None])
        self._exponents += shifts

    def stored(self) -> "StoredWealth":
        """For the state: exact."""
        return StoredWealth(self._parts.tobytes(), self._exponents.tolist(), self._count)

    @classmethod
    def of(cls, stored: "StoredWealth", prior: Array) -> "Wealth":
        """The reverse; `prior` as it was. Cash is where it was."""
        made = cls(len(stored.exponents), prior)
        made._parts = np.frombuffer(stored.parts, dtype="<f8").reshape(-1, len(prior)).copy()
        made._exponents = np.array(stored.exponents, dtype=np.int64)
        made._count = stored.count
        return made


def normal_prior(positions: Array, centre: float, spread: float) -> Array:
    """Weights adding up to 1: none for cash, then a bell over `positions` on a floor, so that none is hopeless."""
    bell = np.exp(-0.5 * ((positions - centre) / spread) ** 2) + 0.02
    return np.concatenate(([0.0], bell / bell.sum()))


class StoredWealth(msgspec.Struct, frozen=True, array_like=True):
    """A Wealth at rest."""

    parts: bytes
    exponents: list[int]
    count: int
