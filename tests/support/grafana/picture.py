"""A dashboard as an SVG: every panel with its title and its lines, as Prometheus answers."""

import math
import re
from xml.sax.saxutils import escape

from tests.statistics.svg import Axis, Line, chart
from tests.support.grafana.boards import Shown, substituted
from tests.support.prometheus import Points, Prometheus

WIDTH, HEIGHT, TITLE = 720, 300, 26
WINDOW = 10.0
"""Seconds of a rate: a run is short."""
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_REST = "#CC79A7"


def lines(server: Prometheus, panel: Shown, start: float, end: float) -> list[Line]:
    """What it would draw: a line for each series that has a value at all."""
    made = []
    for expression, legend in panel.queries:
        for labels, points in server.over(substituted(expression, WINDOW), start, end):
            drawable = [(moment - start, value) for moment, value in points if math.isfinite(value)]
            if drawable:
                made.append(_line(panel, _name(legend, labels), drawable))
    return made


def picture(title: str, drawn: list[tuple[str, list[Line]]], seconds: float) -> str:
    """Panels two in a row."""
    rows = (len(drawn) + 1) // 2
    size = f'viewBox="0 0 {2 * WIDTH} {rows * (HEIGHT + TITLE)}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>']
    for place, (name, of) in enumerate(drawn):
        x, y = place % 2 * WIDTH, place // 2 * (HEIGHT + TITLE)
        parts.append(f'<text x="{x + 12}" y="{y + 18}" font-family="sans-serif">{escape(name)}</text>')
        inner = chart(_time(seconds), _up(of), of, name)
        parts.append(inner.replace("<svg ", f'<svg x="{x}" y="{y + TITLE}" width="{WIDTH}" height="{HEIGHT}" ', 1))
    return "\n".join((*parts, "</svg>", ""))


def _name(legend: str, labels: dict[str, str]) -> str:
    return _LEGEND.sub(lambda found: labels.get(found[1], ""), legend)


def _line(panel: Shown, name: str, points: Points) -> Line:
    matching = [each for each in panel.overrides if re.search(each[0], name)]
    colour = next((colour for _, colour, _ in reversed(matching) if colour), _REST)
    return Line(points, colour, name, dashed=any(dashed for *_, dashed in matching))


def _time(seconds: float) -> Axis:
    return Axis("seconds", 0, seconds, [(each, f"{each:g}") for each in range(0, math.ceil(seconds), 10)])


def _up(of: list[Line]) -> Axis:
    values = [value for line in of for _, value in line.points] or [0.0]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    return Axis("", low, high, [(low, f"{low:.3g}"), (high, f"{high:.3g}")])
