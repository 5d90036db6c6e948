"""G1: how often one guardrail says what is not so, looked at after every exchange."""

from collections.abc import Iterator

import numpy as np

from gateway.rollout.wealth import Array
from tests.statistics.many import Many
from tests.statistics.table import Row, share

ALPHA = 0.05
MARGIN = 0.01
SHARES = (0.01, 0.1, 0.5)
LENGTHS = {0.001: 100_000, 0.01: 40_000, 0.05: 15_000}
"""Base rate -> exchanges of a run: 100, 400 and 750 violations."""


def crossings(
    many: Many, rates: tuple[float, float], length: int, random: np.random.Generator
) -> tuple[Array, Array, Array]:
    """The exchange at which the mean of both tests, "no worse", and the fast alarm reached 1 / ALPHA; inf: never.

    `rates`: of violations, on stable and on the canary.
    """
    found = tuple(np.full(many.runs, np.inf) for _ in range(3))
    for number in range(1, length + 1):
        many.step(*many.draw(rates, random))
        for value, first in zip((many.mean(), many.no_worse(), many.alarm()), found, strict=True):
            first[(value >= 1.0 / ALPHA) & (first > number)] = number
    return found[0], found[1], found[2]


def measure(runs: int, seed: int) -> Iterator[Row]:
    """`runs` for each row; request units, one guardrail, all its wealth in play from the start."""
    random = np.random.default_rng(seed)
    for rate, length in LENGTHS.items():
        for part in SHARES:
            where = f"rate {rate:.1%}, share {part:.0%}, {length:,} exchanges"
            same = crossings(Many(runs, part, MARGIN), (rate, rate), length, random)
            yield from (
                share(f"G1 false rollbacks: {where}", _reached(same[0]), runs, most=ALPHA),
                share(f"G1 false fast alarms: {where}", _reached(same[2]), runs, most=ALPHA),
            )
            worse = crossings(Many(runs, part, MARGIN), (rate, rate + MARGIN), length, random)
            yield share(f"G1 false promotions: {where}", _reached(worse[1]), runs, most=ALPHA)


def _reached(first: Array) -> int:
    return int(np.isfinite(first).sum())
