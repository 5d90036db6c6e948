"""Thresholds of a head are where the stated shares lie, every source counting alike."""

import numpy as np
import pytest

from classifiers.encoder.model import Calibration
from classifiers.training.calibrate import ALARMS, ESCALATE, MISSED, UNSURE, calibrate


def probabilities(found: Calibration, logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-(found.slope * logits + found.offset)))


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of 4,000 texts: overlapping bells."""
    rng = np.random.default_rng(1)
    labels = np.arange(4000) % 2 == 0
    return np.where(labels, rng.normal(1.5, 1.0, 4000), rng.normal(-1.5, 1.0, 4000)), labels


def test_the_three_bands_hold_the_stated_shares(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = drawn
    found = calibrate(logits[:, None], labels[:, None].astype(float), ["one"] * len(labels), ["head"])["head"]
    said = probabilities(found, logits)
    assert (said[~labels] > 0.5).mean() <= ALARMS
    assert (said[~labels] > found.escalate + 1e-4).mean() == pytest.approx(ESCALATE, abs=0.005)
    assert (said[labels] < found.clear - 1e-4).mean() == pytest.approx(MISSED, abs=0.005)
    assert 0 < found.clear <= 0.5
    assert 0 < found.escalate <= 0.5


def test_every_source_counts_alike(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """A source of a hundred hard negatives moves the threshold as one of thousands would."""
    logits, labels = drawn
    hard = np.linspace(0.0, 3.0, 100)
    both = np.concatenate((logits, hard))
    targets = np.concatenate((labels, np.zeros(100)))
    found = calibrate(both[:, None], targets[:, None], ["many"] * 4000 + ["few"] * 100, ["head"])["head"]
    assert (probabilities(found, hard) > 0.5).mean() <= 2 * ALARMS


def test_what_is_unknown_and_who_is_unsure_set_nothing(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = drawn
    known = calibrate(logits[:, None], labels[:, None].astype(float), ["one"] * 4000, ["head"])
    more = np.concatenate((logits, np.full(600, 9.0)))
    targets = np.concatenate((labels, np.full(300, np.nan), np.zeros(300)))
    names = ["one"] * 4300 + [next(iter(UNSURE))] * 300
    assert calibrate(more[:, None], targets[:, None], names, ["head"]) == known


def test_too_few_leave_the_logit_as_it_is() -> None:
    found = calibrate(np.zeros((40, 1)), np.array([[1.0]] * 5 + [[0.0]] * 35), ["one"] * 40, ["head"])
    assert found == {"head": Calibration()}
