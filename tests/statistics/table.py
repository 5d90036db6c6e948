"""What a simulation found, beside what it must find, as rows of a markdown table."""

from collections.abc import Iterable, Sequence
from math import isnan, nan, sqrt
from typing import Literal

import msgspec
import numpy as np

from gateway.rollout.proportions import clopper_pearson
from gateway.rollout.wealth import Array

Verdict = Literal["holds", "open", "misses", ""]
"""`open`: the interval holds the target, so more runs must tell. Empty: no target."""


class Row(msgspec.Struct, frozen=True):
    """One figure with its 95 % interval (NaN: none) from so many runs. `percent`: shown times 100."""

    name: str
    figure: float
    low: float
    high: float
    target: str
    verdict: Verdict
    runs: int
    percent: bool = False


def share(name: str, hits: int, runs: int, *, least: float | None = None, most: float | None = None) -> Row:
    """A share of runs (Clopper-Pearson), which is to be at least, or at most, so much."""
    found = clopper_pearson(hits, runs, 0.05)
    target, verdict = _judged(found.low, found.high, least, most, 100.0, " %")
    return Row(name, hits / runs, found.low, found.high, target, verdict, runs, percent=True)


def mean(name: str, values: Sequence[float], *, least: float | None = None, most: float | None = None) -> Row:
    """The mean of one value for each run, with the normal interval of its standard error."""
    centre, half = float(np.mean(values)), 1.96 * float(np.std(values)) / sqrt(len(values))
    target, verdict = _judged(centre - half, centre + half, least, most)
    return Row(name, centre, centre - half, centre + half, target, verdict, len(values))


def ratio(name: str, values: Array, *, most: float | None = None) -> Row:
    """The median of one value for each run, infinite ones among them, with the interval from order statistics."""
    ordered = np.sort(values)
    reach = 0.98 * sqrt(len(values))
    low, high = (ordered[round(np.clip(len(values) / 2 + side, 0, len(values) - 1))] for side in (-reach, reach))
    target, verdict = _judged(low, high, None, most, unit="x")
    return Row(name, float(np.median(values)), float(low), float(high), target, verdict, len(values))


def plain(name: str, figure: float, runs: int) -> Row:
    """A figure that is only told."""
    return Row(name, figure, nan, nan, "", "", runs)


def header() -> str:
    """The table's first two lines."""
    return "| what | found | 95 % interval | target | | runs |\n| --- | --- | --- | --- | --- | --- |"


def line(row: Row) -> str:
    """A line of the table; 0 runs: it was counted out."""
    interval = "" if isnan(row.low) else f"{_number(row.low, row)} to {_number(row.high, row)}"
    runs = f"{row.runs:,}" if row.runs else "exact"
    return f"| {' | '.join((row.name, _number(row.figure, row), interval, row.target, row.verdict, runs))} |"


def markdown(rows: Iterable[Row]) -> str:
    """The table, with a line break at its end."""
    return "\n".join((header(), *map(line, rows))) + "\n"


def _number(value: float, row: Row) -> str:
    if row.percent:
        return f"{value * 100:.2f} %"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _judged(
    low: float, high: float, least: float | None, most: float | None, scale: float = 1.0, unit: str = ""
) -> tuple[str, Verdict]:
    if least is not None:
        verdict: Verdict = "holds" if low >= least else "misses" if high < least else "open"
        return f">= {least * scale:,g}{unit}", verdict
    if most is not None:
        return f"<= {most * scale:,g}{unit}", "holds" if high <= most else "misses" if low > most else "open"
    return "", ""
