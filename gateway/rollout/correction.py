"""What people's labels say of the classifiers: how often they err in each arm, and what the true rates are then.

Labels are a sample stratified by arm and by flag; within a stratum each exchange is as likely to be labelled as any
other, labelled / exchanges. An arm's true rate is the prediction-powered estimate (PPI++: Angelopoulos, Duchi and
Zrnic, arXiv 2311.01453)
theta = l W + sum over labels of (y - l f) / (probability * exchanges), W the share of flags f among all exchanges.
Where the strata are the predictions themselves, the second sum holds -l W, so that every l gives
theta = W p + (1 - W) u, p and u the shares of labels that say violating among flagged and not flagged exchanges;
tuning l (its best is p - u) has nothing left to gain. Exchanges are taken as independent; the intervals are for one
look, since nothing but waiting follows from them. The correction can only veto a promotion.
"""

from math import ceil, log10

import msgspec

from gateway.rollout.drift import Odds, log_e_value, odds_if_not, odds_if_violating
from gateway.rollout.proportions import Estimate, clopper_pearson, combined, wilson

ALPHA = 0.05
"""Of the intervals."""
DRIFT_ALPHA = 0.01
"""Of finding that the classifiers err otherwise in one arm, sensitivity and specificity together."""
UNCORRECTED = "no labels: the classifiers' errors are not corrected for"
"""What is said without any."""
_ENOUGH = 1.84
"""1 + 1.645 / 1.96: where the interval is so much narrower than the margin, an equal canary passes in 95 %."""
_LOG10_E = 0.43429448190325182765


class Stratum(msgspec.Struct, frozen=True):
    """Exchanges there are, labelled among them, and labelled as violating."""

    exchanges: int
    labelled: int
    violating: int


class ArmLabels(msgspec.Struct, frozen=True):
    """One arm's exchanges that the classifiers flagged, and those they did not."""

    flagged: Stratum
    plain: Stratum

    @property
    def flags(self) -> tuple[int, int]:
        """Flagged exchanges, and all."""
        return self.flagged.exchanges, self.flagged.exchanges + self.plain.exchanges

    @property
    def labelled(self) -> int:
        """Labels in all."""
        return self.flagged.labelled + self.plain.labelled


class ArmRates(msgspec.Struct, frozen=True):
    """One arm. `flagged`: share that the classifiers flag. `rate`: what labels make of it. `sensitivity`,
    `specificity`: the classifiers' here. `rogan_gladen`: the rate if they erred as in both arms together,
    (flagged + specificity - 1) / (sensitivity + specificity - 1), for display (Rogan and Gladen, American
    Journal of Epidemiology 1978, DOI 10.1093/oxfordjournals.aje.a112510).
    """

    flagged: float
    rate: Estimate
    sensitivity: Estimate
    specificity: Estimate
    rogan_gladen: float


class Correction(msgspec.Struct, frozen=True):
    """`veto`: why promotion must wait; empty: labels say nothing against it. `said`: one sentence for the decision.

    `labels`: how many there are; `needed`: how many in all, shared out as they are, show that an equal canary is
    worse by less than the margin; None: cannot be said. `difference`: of true rates, canary minus stable. `drift`:
    log10 of the e-values against equal sensitivity and equal specificity. `stable`, `canary`: None where a stratum
    has no label.
    """

    veto: str
    said: str
    labels: int
    needed: int | None = None
    stable: ArmRates | None = None
    canary: ArmRates | None = None
    difference: Estimate | None = None
    drift: tuple[float, float] = (0.0, 0.0)


def true_rate(arm: ArmLabels) -> Estimate | None:
    """The share of violating exchanges that labels make of an arm's flags, its interval at 1 - ALPHA; None: there
    are no exchanges, or no label for the flagged or for the others of them.
    """
    if not arm.flags[1] or any(each.exchanges and not each.labelled for each in (arm.flagged, arm.plain)):
        return None
    return _rate(arm)


def assess(stable: ArmLabels, canary: ArmLabels, margin: float, per_unit: float = 1.0) -> Correction:
    """What labels say against promoting the canary. `margin` above 0: by less than this its true rate of violations
    may be higher. `per_unit`: exchanges per unit; flags of one unit are taken as one when arms are compared.

    Drift is tested with every look (see gateway.rollout.drift): counts must grow from call to call.
    """
    labels = stable.labelled + canary.labelled
    strata = (stable.flagged, stable.plain, canary.flagged, canary.plain)
    if not labels:
        return Correction("", UNCORRECTED, 0)
    if any(not each.labelled for each in strata if each.exchanges) or not all(
        arm.flags[1] for arm in (stable, canary)
    ):
        return Correction("", f"{labels} labels, but none for some of arm and flag: no correction", labels)
    drift = _drift(stable, canary, per_unit)
    pooled = _pooled(stable, canary)
    shown = (_rates(stable, pooled), _rates(canary, pooled))
    difference = combined(((1.0, shown[1].rate), (-1.0, shown[0].rate)))
    needed = ceil(labels * (_ENOUGH * (difference.high - difference.value) / margin) ** 2)
    veto = _drifted(drift, shown) or _worse(difference, margin, enough=labels >= needed)
    said = _said(difference, labels, needed)
    return Correction(veto, said, labels, needed, shown[0], shown[1], difference, drift)


def _drift(stable: ArmLabels, canary: ArmLabels, per_unit: float) -> tuple[float, float]:
    there, here = _odds(stable, per_unit), _odds(canary, per_unit)
    return log_e_value(there, here) * _LOG10_E, log_e_value(odds_if_not(there), odds_if_not(here)) * _LOG10_E


def _odds(arm: ArmLabels, per_unit: float) -> Odds:
    flags, exchanges = arm.flags
    strata = ((each.violating, each.labelled) for each in (arm.flagged, arm.plain))
    return odds_if_violating((flags / per_unit, exchanges / per_unit), *strata)


def _rates(arm: ArmLabels, pooled: tuple[float, float]) -> ArmRates:
    flags, exchanges = arm.flags
    share = flags / exchanges
    false = _flag_rate(share, _others(arm.flagged), _others(arm.plain))
    return ArmRates(
        flagged=share,
        rate=_rate(arm),
        sensitivity=_flag_rate(share, arm.flagged, arm.plain),
        specificity=Estimate(1.0 - false.value, 1.0 - false.high, 1.0 - false.low),
        rogan_gladen=_rogan_gladen(share, *pooled),
    )


def _rate(arm: ArmLabels) -> Estimate:
    flags, exchanges = arm.flags
    share = flags / exchanges
    flagged = wilson(arm.flagged.violating, arm.flagged.labelled, ALPHA)
    plain = wilson(arm.plain.violating, arm.plain.labelled, ALPHA)
    seen = wilson(flags, exchanges, ALPHA)
    around = Estimate(0.0, seen.low - share, seen.high - share)
    return combined(((share, flagged), (1.0 - share, plain), (flagged.value - plain.value, around)))


def _flag_rate(share: float, flagged: Stratum, plain: Stratum) -> Estimate:
    """How often exchanges of the labelled kind are flagged: from exact intervals, each with half of the error."""
    above = clopper_pearson(flagged.violating, flagged.labelled, ALPHA / 2.0)
    below = clopper_pearson(plain.violating, plain.labelled, ALPHA / 2.0)
    return Estimate(
        _part(share * above.value, (1.0 - share) * below.value),
        _part(share * above.low, (1.0 - share) * below.high),
        _part(share * above.high, (1.0 - share) * below.low),
    )


def _pooled(stable: ArmLabels, canary: ArmLabels) -> tuple[float, float]:
    """Sensitivity and specificity over both arms together."""
    hit, missed = _sum(stable.flagged, canary.flagged), _sum(stable.plain, canary.plain)
    false = _sum(_others(stable.flagged), _others(canary.flagged))
    right = _sum(_others(stable.plain), _others(canary.plain))
    return _part(hit, missed), _part(right, false)


def _sum(*strata: Stratum) -> float:
    """Violating exchanges, as far as labels tell."""
    return sum(each.exchanges * each.violating / each.labelled for each in strata if each.labelled)


def _others(stratum: Stratum) -> Stratum:
    return Stratum(stratum.exchanges, stratum.labelled, stratum.labelled - stratum.violating)


def _part(part: float, rest: float) -> float:
    """Of a whole; one half where there is nothing."""
    return part / (part + rest) if part + rest > 0 else 0.5


def _rogan_gladen(flagged: float, sensitivity: float, specificity: float) -> float:
    """As flagged where the classifiers tell nothing apart."""
    informed = sensitivity + specificity - 1.0
    return min(max((flagged + specificity - 1.0) / informed, 0.0), 1.0) if informed > 0 else flagged


def _drifted(drift: tuple[float, float], rates: tuple[ArmRates, ArmRates]) -> str:
    """The mean of the two e-values is one, so both share `DRIFT_ALPHA`."""
    needed = log10(2.0 / DRIFT_ALPHA)
    most = max(drift)
    if most + log10(1.0 + 10.0 ** (min(drift) - most)) < needed:
        return ""
    name = "sensitivity" if drift[0] > drift[1] else "specificity"
    there, here = (getattr(arm, name).value for arm in rates)
    return (
        f"the classifiers err otherwise on the canary: by people's labels their {name} is {there:.2%} on stable "
        f"and {here:.2%} on the canary, so their counts cannot be compared"
    )


def _worse(difference: Estimate, margin: float, *, enough: bool) -> str:
    found = f"{_points(difference)}, where less than {margin * 100:g} points are allowed"
    if difference.low >= margin:
        return f"by people's labels the canary violates more: {found}"
    if enough and difference.high >= margin:
        return f"people's labels do not rule out that the canary violates more: {found}"
    return ""


def _said(difference: Estimate, labels: int, needed: int) -> str:
    found = f"{labels} labels: true violations differ by {_points(difference)}"
    return (
        found if labels >= needed else f"{found}; about {needed} labels are needed to hold that against the margin"
    )


def _points(difference: Estimate) -> str:
    value, low, high = (100.0 * end for end in (difference.value, difference.low, difference.high))
    return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
