"""How good scores are, against labels: with intervals by resampling. numpy only."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]
Metric = Callable[[Labels, Scores], float]
_BINS = 10
_RESAMPLED = 200


class Measured(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval; NaN where it is not defined, as AUROC without a negative."""

    value: float
    low: float
    high: float


def auroc(labels: Labels, scores: Scores) -> float:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney, 1947)."""
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return float("nan")
    return float((_ranks(scores)[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(labels: Labels, scores: Scores) -> float:
    """Average precision: precision at each positive, the highest scores first; ties are taken together."""
    if not labels.any():
        return float("nan")
    hits, misses = steps(labels, scores)
    precision = hits / (hits + misses)
    return float((np.diff(hits / hits[-1], prepend=0.0) * precision).sum())


def steps(labels: Labels, scores: Scores) -> tuple[Scores, Scores]:
    """Positives, and negatives, that score at least as high as each score that there is, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = labels[order].cumsum()[last].astype(np.float64)
    return hits, last + 1 - hits


def f1(labels: Labels, scores: Scores, threshold: float = 0.5) -> float:
    """Harmonic mean of precision and recall of what reaches the threshold."""
    found = scores >= threshold
    both = int((found & labels).sum())
    total = int(found.sum()) + int(labels.sum())
    return 2 * both / total if total else float("nan")


def share(labels: Labels, scores: Scores, threshold: float = 0.5) -> float:
    """Of those with the label that reach the threshold: recall; with `~labels`, the false alarms."""
    return float((scores[labels] >= threshold).mean()) if labels.any() else float("nan")


def false_alarms(labels: Labels, scores: Scores, threshold: float = 0.5) -> float:
    """Share of the negatives that reach the threshold."""
    return share(~labels, scores, threshold)


def recall_at(labels: Labels, scores: Scores, alarms: float) -> float:
    """Recall at the lowest threshold with at most that share of false alarms."""
    if not labels.any() or labels.all():
        return float("nan")
    threshold = threshold_for(scores[~labels], alarms)
    return float((scores[labels] > threshold).mean())


def threshold_for(negatives: Scores, alarms: float) -> float:
    """The lowest score that at most the share `alarms` of the negatives, of which there are some, lie above."""
    ordered = np.sort(negatives)
    return float(ordered[max(int(np.ceil((1.0 - alarms) * len(ordered))), 1) - 1])


def calibration_error(labels: Labels, scores: Scores) -> float:
    """Expected calibration error: in ten bins of as many scores each, how far the mean is from the rate."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, _BINS)
    gaps = [abs(scores[part].mean() - labels[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(scores)) if len(scores) else float("nan")


def measured(metric: Metric, labels: Labels, scores: Scores, groups: Sequence[str], seed: int = 1) -> Measured:
    """With the interval that resampling whole groups gives: rows of one group are not independent."""
    value = metric(labels, scores)
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    random = np.random.default_rng(seed)
    values = []
    for _ in range(_RESAMPLED):
        drawn = np.concatenate([members[number] for number in random.integers(len(members), size=len(members))])
        values.append(metric(labels[drawn], scores[drawn]))
    known = [each for each in values if not np.isnan(each)]
    if np.isnan(value) or not known:
        return Measured(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Measured(value, float(low), float(high))


def _ranks(scores: Scores) -> Scores:
    """From 1; equal scores share the mean of their ranks."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2.0)[inverse]
