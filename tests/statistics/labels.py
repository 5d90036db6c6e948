"""G5: what people's labels find of the classifiers' errors, and what they do not find where there is nothing."""

from math import ceil

import msgspec
import numpy as np

from gateway.rollout.correction import Correction, assess
from gateway.rollout.simulate import ArmSample
from tests.statistics.table import Row, plain, share

MARGIN = 0.01
_LABELS = 250
"""For each arm, flagged or not: 1,000 in all, half of them among the flagged."""
_EXCHANGES = 100_000
_GROWTH = (1, 2, 4, 8, 16, 32, 64, 128)


class Arm(msgspec.Struct, frozen=True):
    """How often its answers violate, and how often the classifiers are right: about those, and about the others."""

    rate: float = 0.01
    sensitivity: float = 0.8
    specificity: float = 0.99


class Stream(ArmSample):
    """An arm's exchanges and labels, as they come in."""

    def __init__(self, arm: Arm, random: np.random.Generator) -> None:
        super().__init__()
        self._arm = arm
        self._random = random

    def exchanges(self, count: int) -> None:
        """So many more."""
        arm = self._arm
        violating = self._random.binomial(count, arm.rate)
        hit = self._random.binomial(violating, arm.sensitivity)
        false = self._random.binomial(count - violating, 1 - arm.specificity)
        for flagged, upheld, violated in ((True, false, hit), (False, count - violating - false, violating - hit)):
            self.count(flagged=flagged, violates=False, number=int(upheld))
            self.count(flagged=flagged, violates=True, number=int(violated))


def looks(
    stable: Arm, canary: Arm, random: np.random.Generator, *, exchanges: int, labels: int, looks: int = 1
) -> list[Correction]:
    """What is said at each look, when exchanges and labels (per stratum) have come in evenly until the last."""
    streams = Stream(stable, random), Stream(canary, random)
    found = []
    for _ in range(looks):
        for stream in streams:
            stream.exchanges(exchanges // looks)
            stream.label(labels // looks, random)
        found.append(assess(streams[0].counted(), streams[1].counted(), MARGIN))
    return found


def waits(canary: Arm, runs: int, seed: int, *, exchanges: int = _EXCHANGES, labels: int = _LABELS) -> int:
    """Runs in which the labels veto a promotion, with stable as Arm() is."""
    random = np.random.default_rng(seed)
    return sum(bool(looks(Arm(), canary, random, exchanges=exchanges, labels=labels)[-1].veto) for _ in range(runs))


def needed(canary: Arm, runs: int, seed: int, exchanges: int) -> int:
    """The first of 1,000, 2,000, 4,000, ... labels at which 95 % of the runs wait; 0: none of them."""
    for growth in _GROWTH:
        if waits(canary, runs, seed, exchanges=exchanges, labels=_LABELS * growth) >= ceil(0.95 * runs):
            return 4 * _LABELS * growth
    return 0


def drifted(correction: Correction) -> bool:
    """Whether the labels say that the classifiers err otherwise on the canary."""
    return "err otherwise" in correction.veto


def measure(runs: int, seed: int) -> list[Row]:
    """`runs` for each row; rate 1 %, sensitivity 0.8, specificity 0.99 where nothing else is said."""
    random = np.random.default_rng(seed)
    worse = Arm(specificity=0.98)
    held = [looks(Arm(), Arm(), random, exchanges=_EXCHANGES, labels=_LABELS, looks=10) for _ in range(runs)]
    covered = sum(
        found.canary.rate.low <= 0.01 <= found.canary.rate.high for *_, found in held if found.canary is not None
    )
    slight, fewer = Arm(specificity=0.988), max(runs // 10, 20)
    return [
        share("G5 specificity 0.99 -> 0.98, 1,000 labels: waits", waits(worse, runs, seed), runs, least=0.95),
        share("the same with 20,000 exchanges an arm: waits", waits(worse, runs, seed, exchanges=20_000), runs),
        share("specificity 0.99 -> 0.988, 1,000 labels: waits", waits(slight, runs, seed), runs),
        plain(
            "labels at which that waits in 95 %, 1,000,000 exchanges an arm",
            needed(slight, fewer, seed, 10 * _EXCHANGES),
            fewer,
        ),
        share(
            "twice as many violations, 16,000 labels: waits", waits(Arm(rate=0.02), runs, seed, labels=4000), runs
        ),
        share("no shift, 16,000 labels: waits", waits(Arm(), runs, seed, labels=4000), runs, most=0.05),
        share("no shift, ten looks: drift is found", sum(any(map(drifted, run)) for run in held), runs, most=0.01),
        share("no shift: true rate in its 95 % interval, an approximate one", covered, runs, least=0.93),
    ]
