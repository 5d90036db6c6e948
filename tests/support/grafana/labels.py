"""Series by their labels, and counts of them."""

from collections import Counter
from collections.abc import Iterable

from gateway.events.schema import ExchangeV1, VerdictV1

Labels = frozenset[tuple[str, str]]
Counts = Counter[Labels]


def of(**labels: str) -> Labels:
    """As Prometheus shows them: without empty ones."""
    return frozenset((name, value) for name, value in labels.items() if value)


def only(labels: Labels, *names: str) -> Labels:
    """Those of these names."""
    return frozenset(each for each in labels if each[0] in names)


def where(event: ExchangeV1 | VerdictV1) -> Labels:
    """Model and the arm that served."""
    return of(model=event.model, arm=event.assignment.served)


def counted(labels: Iterable[Labels]) -> Counts:
    """How often each stands there."""
    return Counter(labels)
