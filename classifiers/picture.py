"""A picture of how good scores are: for each head, what is found against what is falsely found. Plain SVG."""

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics import steps

_SIDE, _GAP, _COLUMNS = 180, 46, 4
_TICKS = (0.01, 0.05, 0.2, 0.5, 1.0)


def curves(heads: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]) -> str:
    """One small curve for each head that has both kinds: recall (up) by false alarms (across, on a root scale, so
    that few are told apart). The dot is the threshold 0.5.
    """
    drawn = {name: pair for name, pair in heads.items() if pair[0].any() and not pair[0].all()}
    columns = min(_COLUMNS, max(len(drawn), 1))
    rows = -(-len(drawn) // columns)
    width, height = columns * (_SIDE + _GAP) + _GAP, rows * (_SIDE + _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, (name, (labels, scores)) in enumerate(drawn.items()):
        x, y = _GAP + number % columns * (_SIDE + _GAP), _GAP + number // columns * (_SIDE + _GAP)
        parts.append(_panel(name, labels, scores, x, y))
    return "\n".join([*parts, "</svg>\n"])


def _panel(name: str, labels: NDArray[np.bool_], scores: NDArray[np.float64], left: int, top: int) -> str:
    hits, misses = steps(labels, scores)
    recall, alarms = np.append(0.0, hits / hits[-1]), np.append(0.0, misses / misses[-1])
    points = " ".join(
        f"{left + _across(a):.1f},{top + _SIDE * (1 - r):.1f}" for a, r in zip(alarms, recall, strict=True)
    )
    found = scores >= 0.5
    dot = (left + _across(float(found[~labels].mean())), top + _SIDE * (1 - float(found[labels].mean())))
    ticks = "".join(
        f'<path d="M{left + _across(t):.1f},{top}v{_SIDE}" stroke="#ddd"/>'
        f'<text x="{left + _across(t):.1f}" y="{top + _SIDE + 13}" text-anchor="middle" fill="#666">{t:.0%}</text>'
        for t in _TICKS
    )
    return (
        f'{ticks}<rect x="{left}" y="{top}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#999"/>'
        f'<text x="{left}" y="{top - 6}">{escape(name)} (+{int(labels.sum())} / -{int((~labels).sum())})</text>'
        f'<polyline points="{points}" fill="none" stroke="#0b6e99" stroke-width="1.5"/>'
        f'<circle cx="{dot[0]:.1f}" cy="{dot[1]:.1f}" r="3.5" fill="#b3261e"/>'
    )


def _across(share: float) -> float:
    return _SIDE * float(np.sqrt(share))
