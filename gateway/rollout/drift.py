"""Whether the classifiers err more in one arm than in the other: a test that may be looked at after every label.

Of an arm, W is the share of flagged exchanges, p and u the shares of labels, among flagged and among not flagged
ones, that say a kind of exchange (violating, or not violating). Within that kind the odds of a flag are
o = W p / ((1 - W) u): those of sensitivity for violating exchanges, of a false flag (1 - specificity) for others.
Against "o is the same in both arms",
E = product of six marginal likelihoods / the largest product of likelihoods with o the same,
one for each of W, p, u in each arm, W from all exchanges and p, u from the labels (universal inference: Wasserman,
Ramdas and Balakrishnan, PNAS 2020, DOI 10.1073/pnas.1922664117, section 8; mixtures as numerator). E is an
e-process: false with a probability of at most alpha whenever one looks and rejects at E >= 1/alpha. It reads counts
only, so the order of labels doesn't matter; they must add up, and not start anew with another sample.
"""

from collections.abc import Sequence
from math import inf, lgamma, log

import msgspec

_HALVINGS = 100
_LEAST = 1e-300
_TRACE = 1e-6
"""Of a label of the other kind: without one, a share of 1 would stay there until it may be anything at once."""
_RARE = (0.5, 20.0)
"""The prior of a share that is mostly near 0: half of it is below 0.012."""
_EVEN = (0.5, 0.5)


class Counted(msgspec.Struct, frozen=True):
    """A share that is estimated: `hits` of `count`, and the beta prior that its marginal likelihood has."""

    hits: float
    count: float
    prior: tuple[float, float]


class Odds(msgspec.Struct, frozen=True):
    """One arm's W, p and u; see the module."""

    flags: Counted
    among_flagged: Counted
    among_plain: Counted


def odds_if_violating(flags: tuple[float, float], flagged: tuple[int, int], plain: tuple[int, int]) -> Odds:
    """Of a flag for violating exchanges. Pairs of hits and count: flags among exchanges, violating among the labels
    of flagged and of not flagged ones.
    """
    return Odds(Counted(*flags, _RARE), Counted(*flagged, _EVEN), Counted(*plain, _RARE))


def odds_if_not(odds: Odds) -> Odds:
    """Of a flag for the exchanges that do not violate, from the odds for those that do."""
    return Odds(odds.flags, _others(odds.among_flagged), _others(odds.among_plain))


def log_e_value(stable: Odds, canary: Odds) -> float:
    """Natural logarithm of E against "the odds of a flag are the same"; 0 while a stratum has no label."""
    parts = [*_parts(stable, 1.0), *_parts(canary, -1.0)]
    if not all(part.of.count for part in parts):
        return 0.0
    pull = _pull(parts)
    return sum(_log_marginal(part.of) - _log_likelihood(part.of, part.share(pull)) for part in parts)


class _Part(msgspec.Struct, frozen=True):
    """One share's place in log(o of stable / o of the canary): `sign` times its logit, or its logarithm."""

    of: Counted
    sign: float
    logit: bool

    def share(self, pull: float) -> float:
        """The likeliest share when the whole logarithm is pulled up so hard (a Lagrange multiplier)."""
        hits = max(self.of.hits + self.sign * pull, 0.0)
        return hits / (self.of.count if self.logit else hits + self.of.count - self.of.hits + _TRACE)

    def term(self, pull: float) -> float:
        share = self.share(pull)
        return self.sign * (_log(share) - (_log(1.0 - share) if self.logit else 0.0))

    def reach(self) -> tuple[float, float]:
        """Pulls that leave the share within [0, 1]."""
        down, up = -self.of.hits, self.of.count - self.of.hits if self.logit else inf
        return (down, up) if self.sign > 0 else (-up, -down)


def _parts(odds: Odds, sign: float) -> tuple[_Part, ...]:
    return (
        _Part(odds.flags, sign, logit=True),
        _Part(odds.among_flagged, sign, logit=False),
        _Part(odds.among_plain, -sign, logit=False),
    )


def _pull(parts: Sequence[_Part]) -> float:
    """The one under which both arms' odds are the same. The logarithm rises with the pull, and the likelihood is
    concave in logits and logarithms, so it is the only one.
    """
    low = max(part.reach()[0] for part in parts)
    high = min(part.reach()[1] for part in parts)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if sum(part.term(middle) for part in parts) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _others(counted: Counted) -> Counted:
    return Counted(counted.count - counted.hits, counted.count, counted.prior[::-1])


def _log_likelihood(of: Counted, share: float) -> float:
    missed = of.count - of.hits
    return (of.hits * _log(share) if of.hits else 0.0) + (missed * _log(1.0 - share) if missed else 0.0)


def _log_marginal(of: Counted) -> float:
    first, second = of.prior
    return _log_beta(first + of.hits, second + of.count - of.hits) - _log_beta(first, second)


def _log_beta(first: float, second: float) -> float:
    return lgamma(first) + lgamma(second) - lgamma(first + second)


def _log(value: float) -> float:
    return log(max(value, _LEAST))
