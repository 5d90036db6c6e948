"""Intervals of counted shares, and what follows from labels whatever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln  # type: ignore[import-untyped]  # scipy ships no types
from scipy.stats import binomtest  # type: ignore[import-untyped]  # scipy ships no types

from gateway.rollout.correction import ArmLabels, Stratum, assess
from gateway.rollout.drift import Counted, log_e_value, odds_if_not, odds_if_violating
from gateway.rollout.proportions import Estimate, clopper_pearson, combined, wilson


@st.composite
def _strata(draw: st.DrawFn, least: int = 0) -> Stratum:
    exchanges = draw(st.integers(max(least, 1), 50_000))
    labelled = draw(st.integers(least, min(exchanges, 2000)))
    return Stratum(exchanges, labelled, draw(st.integers(0, labelled)))


ARMS = st.builds(ArmLabels, _strata(), _strata())
LABELLED = st.builds(ArmLabels, _strata(1), _strata(1))


@given(st.integers(1, 3000), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
def test_shares_have_the_intervals_that_scipy_gives_them(count: int, data: st.DataObject, alpha: float) -> None:
    hits = data.draw(st.integers(0, count))
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = binomtest(hits, count).proportion_ci(1 - alpha, method)
        found = ours(hits, count, alpha)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=5))
def test_a_sum_lies_within_its_ends_and_is_never_surer_than_its_parts(
    drawn: list[tuple[float, float, float, float]],
) -> None:
    parts = [(weight, Estimate(*(sorted(ends)[place] for place in (1, 0, 2)))) for weight, *ends in drawn]
    found = combined(parts)
    assert found.low <= found.value <= found.high
    for weight, part in parts:
        assert found.high - found.low >= abs(weight) * (part.high - part.low) / 2**0.5 - 1e-9


@given(LABELLED, st.floats(-2, 2))
def test_the_rate_is_the_prediction_powered_one_whatever_it_is_tuned_to(arm: ArmLabels, tuned: float) -> None:
    flags, exchanges = arm.flags
    estimate = tuned * flags / exchanges
    for flag, stratum in ((1.0, arm.flagged), (0.0, arm.plain)):
        probability = stratum.labelled / stratum.exchanges
        said = np.repeat([1.0, 0.0], [stratum.violating, stratum.labelled - stratum.violating])
        estimate += float(np.sum((said - tuned * flag) / probability)) / exchanges
    found = assess(arm, arm, 0.01).stable
    assert found is not None
    assert found.rate.value == pytest.approx(estimate, abs=1e-9)


@given(ARMS, ARMS, st.floats(0.001, 0.2), st.floats(1, 50))
def test_anything_is_assessed_and_an_arm_never_differs_from_itself(
    stable: ArmLabels, canary: ArmLabels, margin: float, per_unit: float
) -> None:
    found = assess(stable, canary, margin, per_unit)
    assert found.said
    if found.difference is not None:
        assert -1.5 <= found.difference.low <= found.difference.value <= found.difference.high <= 1.5
    same = assess(stable, stable, margin, per_unit)
    assert "err otherwise" not in same.veto
    assert max(same.drift) <= 1e-6


@given(LABELLED, LABELLED)
def test_drift_is_the_same_seen_from_either_arm(stable: ArmLabels, canary: ArmLabels) -> None:
    there, here = assess(stable, canary, 0.01).drift, assess(canary, stable, 0.01).drift
    assert there == pytest.approx(here, abs=1e-5)


def _share(data: st.DataObject) -> float:
    return data.draw(st.floats(0.001, 0.999))


@given(LABELLED, LABELLED, st.data())
def test_no_shares_with_equal_odds_are_likelier_than_those_the_test_took(
    stable: ArmLabels, canary: ArmLabels, data: st.DataObject
) -> None:
    """The denominator of E is the largest: any other point of the null gives a larger quotient."""
    arms = [
        odds_if_violating(
            arm.flags,
            (arm.flagged.violating, arm.flagged.labelled),
            (arm.plain.violating, arm.plain.labelled),
        )
        for arm in (stable, canary)
    ]
    for there, here in (arms, [odds_if_not(each) for each in arms]):
        shares = [_share(data) for _ in range(5)]
        odds = shares[0] / (1 - shares[0]) * shares[1] / shares[2]
        rest = shares[3] / (1 - shares[3]) / odds * shares[4]  # u of the other arm, so that its odds are the same
        if not 0 < rest < 1:
            continue
        parts = (
            there.flags,
            there.among_flagged,
            there.among_plain,
            here.flags,
            here.among_flagged,
            here.among_plain,
        )
        point = (*shares[:3], shares[3], shares[4], rest)
        likelihood = sum(
            each.hits * np.log(share) + (each.count - each.hits) * np.log1p(-share)
            for each, share in zip(parts, point, strict=True)
        )
        assert _marginal(parts) - likelihood >= log_e_value(there, here) - 1e-6


def _marginal(parts: tuple[Counted, ...]) -> float:
    return float(
        sum(
            betaln(a + each.hits, b + each.count - each.hits) - betaln(a, b)
            for each in parts
            for a, b in [each.prior]
        )
    )
