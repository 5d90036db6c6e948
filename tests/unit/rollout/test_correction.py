"""Correction by labels: what it says, when it vetoes, and that it never does for nothing (G5, a small draw)."""

import numpy as np
import pytest

from gateway.rollout.correction import ArmLabels, Stratum, assess
from tests.statistics import labels
from tests.statistics.labels import Arm, waits

RIGHT = ArmLabels(Stratum(1000, 250, 200), Stratum(99_000, 250, 0))


def test_g5_a_shift_of_specificity_in_one_arm_means_wait() -> None:
    assert waits(Arm(specificity=0.98), 60, 5) >= 57
    assert waits(Arm(), 60, 5) == 0


def test_a_shift_of_sensitivity_means_wait_when_there_are_labels_to_see_it() -> None:
    assert waits(Arm(rate=0.2, sensitivity=0.4), 20, 6) >= 19


def test_the_table_has_a_verdict_wherever_there_is_a_target() -> None:
    rows = labels.measure(20, 7)
    assert all(bool(row.target) == bool(row.verdict) for row in rows)
    assert not [row.name for row in rows if row.verdict == "misses"]


def test_absent_labels_are_stated_and_veto_nothing() -> None:
    nothing = ArmLabels(Stratum(1000, 0, 0), Stratum(99_000, 0, 0))
    assert assess(nothing, nothing, 0.01).said.startswith("no labels")
    partly = assess(RIGHT, ArmLabels(Stratum(1000, 250, 200), Stratum(99_000, 0, 0)), 0.01)
    assert (partly.veto, partly.labels) == ("", 750)
    assert "no correction" in partly.said


def test_too_few_labels_say_how_many_are_needed() -> None:
    found = assess(RIGHT, RIGHT, 0.005)
    assert found.veto == ""
    assert found.needed is not None
    assert found.needed > found.labels
    assert f"about {found.needed} labels are needed" in found.said


def test_more_true_violations_than_the_margin_allows_are_a_veto_when_drift_is_not_the_reason() -> None:
    stable = ArmLabels(Stratum(10_000, 400, 380), Stratum(90_000, 400, 4))
    canary = ArmLabels(Stratum(20_000, 400, 390), Stratum(80_000, 400, 8))
    found = assess(stable, canary, 0.01)
    assert found.veto.startswith("by people's labels the canary violates more: +10.")
    assert assess(canary, stable, 0.01).veto == ""


def test_enough_labels_that_leave_the_margin_open_are_a_veto() -> None:
    stable = ArmLabels(Stratum(2_000, 2000, 1600), Stratum(98_000, 20_000, 40))
    canary = ArmLabels(Stratum(2_900, 2000, 1600), Stratum(97_100, 20_000, 55))
    found = assess(stable, canary, 0.009)
    assert found.veto.startswith("people's labels do not rule out")


def test_rates_and_errors_are_what_the_labels_say() -> None:
    found = assess(RIGHT, RIGHT, 0.01).stable
    assert found is not None
    assert found.rate.value == pytest.approx(0.008)
    assert 0.008 < found.rate.high < 0.03
    assert found.specificity.value == pytest.approx(1 - 200 / (200 + 99_000))
    assert found.sensitivity.value == 1.0
    assert found.sensitivity.low < 0.6
    assert found.rogan_gladen == pytest.approx(0.008)


def test_rogan_gladen_takes_the_errors_of_both_arms_together() -> None:
    stable = ArmLabels(Stratum(2_000, 500, 400), Stratum(98_000, 500, 1))
    canary = ArmLabels(Stratum(4_000, 500, 200), Stratum(96_000, 500, 1))
    found = assess(stable, canary, 0.01)
    assert found.stable is not None
    assert found.canary is not None
    assert found.stable.rogan_gladen < found.stable.rate.value
    assert found.canary.rogan_gladen > found.canary.rate.value
    both = (found.stable.rate.value + found.canary.rate.value) / 2
    assert (found.stable.rogan_gladen + found.canary.rogan_gladen) / 2 == pytest.approx(both)


def test_an_arm_without_a_single_flag_is_no_error() -> None:
    quiet = ArmLabels(Stratum(0, 0, 0), Stratum(1000, 250, 0))
    assert assess(quiet, quiet, 0.01).veto == ""


def test_flags_of_few_heavy_units_are_weaker_evidence_of_drift() -> None:
    canary = ArmLabels(Stratum(2000, 250, 100), Stratum(98_000, 250, 0))
    alone, heavy = (assess(RIGHT, canary, 0.01, per_unit).drift[1] for per_unit in (1.0, 50.0))
    assert heavy < alone


@pytest.mark.parametrize(
    ("arm", "exchanges", "per_stratum"),
    [
        (Arm(specificity=0.995, sensitivity=0.5), 5000, 40),
        (Arm(0.2, 0.8, 0.9), 2000, 200),
        (Arm(0.5, 0.5, 0.5), 40, 20),
    ],
)
def test_a_shift_is_not_found_where_there_is_none_from_the_first_labels_on(
    arm: Arm, exchanges: int, per_stratum: int
) -> None:
    random = np.random.default_rng(9)
    runs = (labels.looks(arm, arm, random, exchanges=exchanges, labels=per_stratum, looks=20) for _ in range(300))
    assert sum(any(map(labels.drifted, run)) for run in runs) <= 8  # 3 expected at most


def test_another_rate_of_violations_alone_is_no_drift() -> None:
    random = np.random.default_rng(10)
    runs = (labels.looks(Arm(), Arm(0.03), random, exchanges=100_000, labels=250) for _ in range(100))
    assert not any(labels.drifted(run[-1]) for run in runs)
