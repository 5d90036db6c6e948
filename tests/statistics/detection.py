"""G3: how long until a worse canary is found, beside a test whose size is fixed beforehand and looked at once."""

from collections.abc import Iterator
from math import sqrt

import numpy as np
from scipy.special import ndtri  # type: ignore[import-untyped]  # scipy ships no types
from scipy.stats import binom  # type: ignore[import-untyped]  # as above

from gateway.rollout.wealth import Array
from tests.statistics.errors import ALPHA, MARGIN
from tests.statistics.many import Many
from tests.statistics.table import Row, ratio

_POWER = 0.8
_PATIENCE = 3.0
"""Fixed sizes after which a run that found nothing is ended."""
TARGETS = {1.25: 1.4, 1.5: 1.0, 2.0: 1.0, 4.0: 1.0}
"""Ratio of the rates -> the most that the median may be, in fixed sizes."""
_DEFAULT_WEIGHT = 0.5
_DEFAULT_INVESTED = 0.5 + 0.5 / 6
"""Of the balanced plan in its first stage: of harm in the mean, and of its wealth in play."""


def fixed_size(rate: float, worse: float, part: float) -> int:
    """The least number of exchanges of both arms, within half a percent, with which a one-sided z-test of two
    shares has the power 0.8, its critical value raised until its level, counted out, is ALPHA: where the canary's
    count is small the usual one has a level of up to 6.4 %.
    """
    size = round(0.9 * _about(rate, worse, part))
    while _power(size, rate, worse, part) < _POWER:
        size += max(size // 200, 1)
    return size


def _about(rate: float, worse: float, part: float) -> float:
    """By the normal approximation."""
    pooled = part * worse + (1 - part) * rate
    null = sqrt(pooled * (1 - pooled) * (1 / part + 1 / (1 - part)))
    truth = sqrt(worse * (1 - worse) / part + rate * (1 - rate) / (1 - part))
    return float(((ndtri(1 - ALPHA) * null + ndtri(_POWER) * truth) / (worse - rate)) ** 2)


def _power(size: int, rate: float, worse: float, part: float) -> float:
    """Over all pairs of counts: those of the highest statistics that stable's rate brings with at most ALPHA."""
    canary = round(size * part)
    stable = size - canary
    counts = np.arange(_most(canary, worse)), np.arange(_most(stable, rate))
    here, there = np.meshgrid(*counts, indexing="ij")
    pooled = np.clip((here + there) / size, 1e-12, 1 - 1e-12)
    statistic = (here / canary - there / stable) / np.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / stable))
    null = np.outer(binom.pmf(counts[0], canary, rate), binom.pmf(counts[1], stable, rate))
    truth = np.outer(binom.pmf(counts[0], canary, worse), binom.pmf(counts[1], stable, rate))
    order = np.argsort(-statistic, axis=None)
    critical = statistic.ravel()[order][np.searchsorted(null.ravel()[order].cumsum(), ALPHA)]
    return float(truth[statistic > critical + 1e-12].sum())


def _most(count: int, rate: float) -> int:
    return int(binom.ppf(1 - 1e-9, count, rate)) + 2


def detected(rate: float, times: float, part: float, runs: int, random: np.random.Generator) -> tuple[Array, Array]:
    """In fixed sizes, when each run is found: by one guardrail alone, by harm in the balanced plan; inf: never."""
    size = fixed_size(rate, times * rate, part)
    alone, planned = Many(runs, part, MARGIN), Many(runs, part, MARGIN, _DEFAULT_INVESTED)
    others = 1.0 - _DEFAULT_WEIGHT
    first = [np.full(runs, np.inf) for _ in range(2)]
    for number in range(1, round(_PATIENCE * size) + 1):
        drawn = alone.draw((rate, times * rate), random)
        for many, at, weight in ((alone, first[0], 1.0), (planned, first[1], _DEFAULT_WEIGHT)):
            many.step(*drawn)
            mean = weight * many.mean() + (0.0 if weight == 1.0 else others)
            at[(mean >= 1.0 / ALPHA) & (at > number)] = number
        if all(np.isfinite(at).mean() > _POWER for at in first):
            break
    return first[0] / size, first[1] / size


def measure(runs: int, seed: int) -> Iterator[Row]:
    """`runs` for each row; medians, with the interval that order statistics give."""
    random = np.random.default_rng(seed)
    for rate, part in ((0.01, 0.1), (0.01, 0.5), (0.05, 0.1), (0.05, 0.5)):
        for times, target in TARGETS.items():
            alone, planned = detected(rate, times, part, runs, random)
            where = f"rate {rate:.0%} x{times:g}, share {part:.0%}"
            yield from (
                ratio(f"G3 median time to find, one guardrail: {where}", alone, most=target),
                ratio(f"the same in the balanced plan: {where}", planned),
            )
