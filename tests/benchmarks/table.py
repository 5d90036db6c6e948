"""Figures, with the target where there is one."""

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table


class Row(msgspec.Struct, frozen=True):
    """One figure. A target is printed beside it and never fails anything: machines are noisy."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The target and whether this figure meets it."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {'met' if self.value <= self.at_most else 'MISSED'}"
        if self.at_least is not None:
            return f">= {self.at_least:g} {'met' if self.value >= self.at_least else 'MISSED'}"
        return ""


def show(title: str, rows: Iterable[Row]) -> None:
    """Print them as a table."""
    table = Table(title=title, title_justify="left")
    for heading in ("figure", "value", "unit", "target"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for row in rows:
        table.add_row(row.what, f"{row.value:,.2f}", row.unit, row.target)
    Console(width=110).print(table)
