"""Which of many e-values may be believed at once: e-BH. For lists on dashboards; nothing decides on it."""

from collections.abc import Sequence
from math import log10


def rejected(evidence: Sequence[float], alpha: float) -> list[int]:
    """Places of the rejected hypotheses, ascending; among them an expected share of at most `alpha` is true.

    `evidence`: log10 of one e-value for each hypothesis, however they depend on each other. e-BH rejects the k
    largest for the greatest k at which the k-th largest is at least K / (k alpha), K hypotheses in all (Wang and
    Ramdas, JRSSB 2022, DOI 10.1111/rssb.12489, arXiv 2009.02824).
    """
    size = len(evidence)
    order = sorted(range(size), key=lambda place: -evidence[place])
    kept = 0
    for rank, place in enumerate(order, start=1):
        if evidence[place] >= log10(size / (rank * alpha)):
            kept = rank
    return sorted(order[:kept])
