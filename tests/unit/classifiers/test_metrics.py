"""Figures against what can be counted by hand."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import metrics

LABELS = np.array([True, False, True, True, False])
SCORES = np.array([0.9, 0.8, 0.8, 0.3, 0.1])


def test_auroc_counts_pairs_and_halves_ties() -> None:
    assert metrics.auroc(LABELS, SCORES) == pytest.approx((2 + 1.5 + 1) / 6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auroc_is_the_share_of_pairs(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([a for a, _ in rows]), np.array([float(b) for _, b in rows])
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    found = metrics.auroc(labels, scores)
    assert isnan(found) if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_average_precision_takes_ties_together() -> None:
    assert metrics.auprc(LABELS, SCORES) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 4)


def test_at_a_threshold() -> None:
    assert metrics.f1(LABELS, SCORES) == pytest.approx(2 * 2 / (3 + 3))
    assert metrics.share(LABELS, SCORES) == pytest.approx(2 / 3)
    assert metrics.false_alarms(LABELS, SCORES) == pytest.approx(1 / 2)


def test_recall_at_few_false_alarms_lies_above_all_but_those() -> None:
    labels = np.array([True] * 4 + [False] * 100)
    scores = np.array([0.2, 0.985, 0.995, 1.2, *np.linspace(0.01, 1.0, 100)])
    assert metrics.recall_at(labels, scores, 0.01) == 0.5
    assert (scores[~labels] > metrics.threshold_for(scores[~labels], 0.01)).sum() == 1


def test_calibration_error_is_none_where_rates_are_as_said() -> None:
    labels = np.tile(np.arange(10) < 3, 100)
    assert metrics.calibration_error(labels, np.full(1000, 0.3)) == pytest.approx(0.0, abs=0.02)
    assert metrics.calibration_error(labels, np.full(1000, 0.8)) == pytest.approx(0.5, abs=0.02)


def test_intervals_resample_groups_and_not_rows() -> None:
    random = np.random.default_rng(3)
    truth = random.random(60) < 0.5
    labels, groups = np.repeat(truth, 20), np.repeat(np.arange(60), 20).astype(str).tolist()
    scores = np.repeat(truth + random.normal(0, 1, 60), 20)
    grouped = metrics.measured(metrics.auroc, labels, scores, groups)
    alone = metrics.measured(metrics.auroc, labels, scores, [str(each) for each in range(len(labels))])
    assert grouped.value == alone.value
    assert grouped.low < grouped.value < grouped.high
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_without_positives_nothing_is_said() -> None:
    found = metrics.measured(metrics.auroc, np.array([False, False]), np.array([0.1, 0.2]), ["a", "b"])
    assert isnan(found.value)
    assert isnan(found.low)
