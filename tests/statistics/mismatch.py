"""G4: a canary that gets fewer units than it should, and how often that is said when it isn't so."""

import numpy as np

from gateway.rollout.evidence import MISMATCH_ALPHA
from gateway.rollout.mixture import MISMATCH_PRIOR, MISMATCH_RATIOS, ratio_factors
from gateway.rollout.wealth import Array
from tests.statistics.table import Row, ratio, share

_STATED = 0.1
_RESCALE = 64
_MOST = 100_000


def found(truth: float, runs: int, units: int, random: np.random.Generator) -> Array:
    """The unit after which each run says "mismatch"; inf: never within so many."""
    parts = np.tile(MISMATCH_PRIOR, (runs, 1))
    factors = [ratio_factors(MISMATCH_RATIOS, 1.0, _STATED, arm) for arm in (False, True)]
    scale = np.zeros(runs)
    first = np.full(runs, np.inf)
    for number in range(1, units + 1):
        canary = random.random(runs) < truth
        parts *= np.where(canary[:, None], factors[1], factors[0])
        said = np.log(parts.sum(axis=1)) + scale >= -np.log(MISMATCH_ALPHA)
        first[said & (first > number)] = number
        if number % _RESCALE == 0:
            most = parts.max(axis=1)
            parts /= most[:, None]
            scale += np.log(most)
    return first


def measure(runs: int, seed: int) -> list[Row]:
    """`runs` for each row; 10 % is stated."""
    random = np.random.default_rng(seed)
    missed = found(0.09, max(runs // 10, 50), _MOST, random)
    held = found(_STATED, runs, 25_000, random)
    return [
        ratio("G4 median units until 9 % instead of 10 % are found, in 25,000", missed / 25_000, most=1.0),
        share("G4 false mismatches in 25,000 units", int(np.isfinite(held).sum()), runs, most=MISMATCH_ALPHA),
    ]
