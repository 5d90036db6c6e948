"""A panel as a value: what it asks, in which unit, and how it looks. Drawn by `dashboards.grafana.drawing`."""

from typing import Literal

import msgspec

from dashboards.grafana.palette import Look
from dashboards.grafana.query import Query

Form = Literal["lines", "bars", "numbers", "states", "table"]


class Panel(msgspec.Struct, frozen=True):
    """`description`: what it shows, and when to worry. `unit`: Grafana's word for it. `width`: of 24 columns.

    `states`: number -> word and colour, of a panel in which a value means one. `most`: where the axis ends;
    None: at the data.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    form: Form = "lines"
    looks: tuple[Look, ...] = ()
    width: int = 12
    states: dict[str, tuple[str, str]] = {}
    most: float | None = None


class Row(msgspec.Struct, frozen=True):
    """Panels under a question that they answer."""

    title: str
    panels: tuple[Panel, ...]


class Board(msgspec.Struct, frozen=True):
    """A dashboard. `variables`: which of `query.VARIABLES` it has; the uid never changes."""

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    rows: tuple[Row, ...]
