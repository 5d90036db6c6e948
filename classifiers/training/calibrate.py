"""From logits to probabilities, and where each head says "yes".

A logistic curve is fitted per head (Platt, 1999), every source counting alike. Where half of the weight of a
training set is harmful, hardly anything is in production: so the curve is moved to the rate at which the stated
share of false alarms is kept, and 0.5 is the threshold again. (A change of the base rate moves a logit by a
constant: Bayes.)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.encoder.model import Calibration
from classifiers.training.examples import JUDGES_REPLY

Array = NDArray[np.float64]
ALARMS = 0.01
"""Share of negatives that may be called positive, unless a head has its own."""
OWN_ALARMS: Mapping[str, float] = {"unsafe": 0.02, "harmful_response": 0.005}
UNSURE = JUDGES_REPLY
"""Sources that are learned from and set no threshold: what they call harmless in a reply, others call harmful."""
ESCALATE = 0.1
"""Share of negatives that a judge may be asked about."""
MISSED = 0.06
"""Share of positives that may lie where a head clearly says no."""
_ENOUGH = 15
"""Positives, and negatives, from which a curve is fitted."""
_STEPS = 50


def calibrate(
    logits: Array, targets: Array, sources: Sequence[str], heads: Sequence[str]
) -> dict[str, Calibration]:
    """One curve per head. `logits`, `targets`: shape (texts, heads), unknown targets NaN."""
    names = np.asarray(sources)
    made = {}
    for number, head in enumerate(heads):
        known = ~np.isnan(targets[:, number]) & ~np.isin(names, list(UNSURE))
        scores, labels = logits[known, number], targets[known, number] > 0.5
        if min(labels.sum(), (~labels).sum()) < _ENOUGH:
            made[head] = Calibration()
            continue
        weights = _alike(names[known], labels)
        slope, offset = _platt(scores, labels, weights)
        negatives, their_weights = scores[~labels], weights[~labels]
        threshold = max(_threshold(negatives, their_weights, OWN_ALARMS.get(head, ALARMS)), -offset / slope)
        offset = -slope * threshold
        ask = _sigmoid(slope * _threshold(negatives, their_weights, ESCALATE) + offset)
        missed = -_threshold(-scores[labels], weights[labels], MISSED)
        clear = _sigmoid(slope * missed + offset)
        made[head] = Calibration(
            *(round(value, 5) for value in (slope, offset, min(float(ask), 0.5), min(float(clear), 0.5)))
        )
    return made


def _alike(sources: NDArray[np.str_], labels: NDArray[np.bool_]) -> Array:
    """Weights by which every source counts alike among the positives, and among the negatives; both sum to 1."""
    weights = np.zeros(len(labels))
    for side in (labels, ~labels):
        _, inverse, counts = np.unique(sources[side], return_inverse=True, return_counts=True)
        weights[side] = 1.0 / (counts[inverse] * len(counts))
    return weights


def _platt(scores: Array, labels: NDArray[np.bool_], weights: Array) -> tuple[float, float]:
    """Slope and offset of the likeliest curve, by Newton's method with a light pull towards slope 1."""
    slope, offset = 1.0, 0.0
    for _ in range(_STEPS):
        found = _sigmoid(slope * scores + offset)
        error, spread = weights * (found - labels), weights * found * (1 - found) + 1e-9
        gradient = np.array([(error * scores).sum() + 0.01 * (slope - 1), error.sum()])
        curve = np.array(
            [
                [(spread * scores**2).sum() + 0.01, (spread * scores).sum()],
                [(spread * scores).sum(), spread.sum()],
            ]
        )
        move = np.linalg.solve(curve, gradient)
        slope, offset = float(slope - np.clip(move[0], -1, 1)), float(offset - np.clip(move[1], -2, 2))
        slope = max(slope, 0.05)
        if np.abs(move).max() < 1e-8:
            break
    return slope, offset


def _threshold(negatives: Array, weights: Array, alarms: float) -> float:
    """The lowest score that at most the weighted share `alarms` of the negatives lie above."""
    order = np.argsort(negatives)
    below = weights[order].cumsum() / weights.sum()
    place = int(np.searchsorted(below, 1.0 - alarms))
    return float(negatives[order][min(place, len(order) - 1)])


def _sigmoid(values: Array | float) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(values, dtype=np.float64))))
