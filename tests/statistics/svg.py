"""Line charts as SVG."""

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

import msgspec

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 132, 16, 42
GREY, BLUE, RED, GREEN = "#6b7280", "#2563eb", "#dc2626", "#059669"
Points = Sequence[tuple[float, float]]


class Line(msgspec.Struct, frozen=True):
    """Drawn through its points, in data units; `label` stands at its right end."""

    points: Points
    colour: str
    label: str = ""
    faint: bool = False
    dashed: bool = False


class Axis(msgspec.Struct, frozen=True):
    """From `low` to `high`; `ticks`: (value, text)."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def place(self, value: float) -> float:
        """In [0, 1]."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def chart(across: Axis, up: Axis, lines: Iterable[Line], about: str) -> str:
    """An SVG; `about` is what a screen reader says. Its background is white, so that it can be read on any page."""
    inside = (_WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM)

    def x(value: float) -> float:
        return round(_LEFT + inside[0] * across.place(value), 1)

    def y(value: float) -> float:
        return round(_TOP + inside[1] * (1 - up.place(value)), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f'<g font-family="sans-serif" font-size="12" fill="{GREY}">',
        f"<title>{escape(about)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for value, text in up.ticks:
        parts += [
            f'<path d="M{_LEFT} {y(value)}H{_WIDTH - _RIGHT}" stroke="#e5e7eb"/>',
            f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{escape(text)}</text>',
        ]
    parts += [
        f'<text x="{x(value)}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
        for value, text in across.ticks
    ]
    parts += [
        f'<text x="{_LEFT + inside[0] / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(across.title)}</text>',
        f'<g transform="translate(12 {_TOP + inside[1] / 2}) rotate(-90)">',
        f'<text text-anchor="middle">{escape(up.title)}</text></g>',
    ]
    for line in lines:
        path = "L".join(f"{x(across_)} {y(up_)}" for across_, up_ in line.points)
        look = f'stroke-width="{1 if line.faint else 2}" opacity="{0.35 if line.faint else 1}"'
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts.append(f'<path d="M{path}" fill="none" stroke="{line.colour}" {look}{dashes}/>')
        if line.label:
            end = line.points[-1]
            parts.append(
                f'<text x="{x(end[0]) + 6}" y="{y(end[1]) + 4}" fill="{line.colour}">{escape(line.label)}</text>'
            )
    return "\n".join((*parts, "</g></svg>", ""))
