"""How good a network is on rows that it did not learn from: head by head, and source by source."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifiers import metrics
from classifiers.encoder.heads import answer_head
from classifiers.training.examples import Example

Array = NDArray[np.float64]
_FEW = 10


class OfHead(msgspec.Struct, frozen=True):
    """One head on one source, or on all. NaN is null: what cannot be said without positives, or negatives."""

    head: str
    source: str
    positives: int
    negatives: int
    auroc: metrics.Measured
    f1: float | None
    recall: float | None
    false_alarms: float | None
    calibration_error: float | None


def report(
    examples: Sequence[Example], probabilities: Array, heads: Sequence[str], *, sources: bool = True
) -> list[OfHead]:
    """`probabilities`: shape (examples, heads). For every head over all sources, then (`sources`) for each of them.

    AUROC of a source that has positives only is taken against the negatives of all.
    """
    found = []
    for number, head in enumerate(heads):
        own = [place for place, each in enumerate(examples) if head in each.targets and _reads(head, each)]
        if not own:
            continue
        labels = np.array([examples[place].targets[head] > 0.5 for place in own])
        scores = probabilities[own, number].astype(np.float64)
        names = np.array([examples[place].source for place in own])
        groups = [examples[place].group for place in own]
        found.append(_of(head, "all", labels, scores, groups))
        for source in sorted(set(names.tolist())) if sources else ():
            here = names == source
            mine = here | ~labels if labels[here].all() else here
            if here.sum() >= _FEW:
                chosen = [group for group, is_mine in zip(groups, mine, strict=True) if is_mine]
                found.append(_of(head, source, labels[mine], scores[mine], chosen))
    return found


def table(found: Sequence[OfHead]) -> str:
    """As a Markdown table."""
    lines = [
        "| head | source | + | - | AUROC | F1 | recall | false alarms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in found:
        area = each.auroc
        spread = (
            f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
            if not np.isnan(area.low)
            else _shown(area.value)
        )
        lines.append(
            f"| {each.head} | {each.source} | {each.positives:,} | {each.negatives:,} | {spread} "
            f"| {_shown(each.f1)} | {_shown(each.recall)} | {_shown(each.false_alarms)} |"
        )
    return "\n".join(lines) + "\n"


def by_head(found: Sequence[OfHead]) -> Mapping[str, OfHead]:
    """Those over all sources."""
    return {each.head: each for each in found if each.source == "all"}


def _of(head: str, source: str, labels: NDArray[np.bool_], scores: Array, groups: Sequence[str]) -> OfHead:
    return OfHead(
        head,
        source,
        int(labels.sum()),
        int((~labels).sum()),
        metrics.measured(metrics.auroc, labels, scores, groups),
        *(
            _said(metric(labels, scores))
            for metric in (metrics.f1, metrics.share, metrics.false_alarms, metrics.calibration_error)
        ),
    )


def _reads(head: str, example: Example) -> bool:
    return answer_head(head) == (example.answer is not None)


def _said(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _shown(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"
