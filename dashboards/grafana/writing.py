"""From a dashboard's value to the JSON that Grafana imports."""

import json
from collections.abc import Iterable, Iterator

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.grafana.drawing import DATASOURCE, HEIGHT, Drawn, drawn
from dashboards.grafana.panel import Board
from gateway.telemetry.metrics import PROVOCATIONS, WEIGHT

WIDTH = 24
BUILT_IN = "http://127.0.0.1:9191"
_SOURCES = {
    "model": f"label_values({WEIGHT.name}, model)",
    "arm": f'label_values({WEIGHT.name}{{model=~"$model"}}, arm)',
    "principle": f'label_values({PROVOCATIONS.name}{{model=~"$model"}}, principle)',
}


def written(board: Board, others: Iterable[Board]) -> str:
    """The file's text, the same for the same values. `others`: those to link to."""
    builder = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["tipstaff"])
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .editable()
        .variables(list(_variables(board)))
        .links([*(_link(other) for other in others), _built_in()])
    )
    for part in _placed(board):
        builder = builder.with_row(part) if isinstance(part, builders.Row) else builder.with_panel(part)
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _variables(
    board: Board,
) -> Iterator[builders.DatasourceVariable | builders.QueryVariable | builders.TextBoxVariable]:
    yield builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    for name in board.variables:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        yield (
            builders.QueryVariable(name)
            .label(name.capitalize())
            .datasource(DATASOURCE)
            .query(_SOURCES[name])
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".*")
            .current(everything)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
        )
    place = models.VariableOption(selected=True, text=BUILT_IN, value=BUILT_IN)
    yield (
        builders.TextBoxVariable("tipstaff_url")
        .label("tipstaff")
        .description("Where tipstaff's own page is, for the link above")
        .default_value(BUILT_IN)
        .current(place)
        .options([place])
    )


def _link(board: Board) -> builders.DashboardLink:
    return (
        builders.DashboardLink(board.title)
        .type(models.DashboardLinkType.LINK)
        .icon("dashboard")
        .tooltip(board.description)
        .url(f"/d/{board.uid}")
        .keep_time(keep_time=True)
        .include_vars(include_vars=True)
    )


def _built_in() -> builders.DashboardLink:
    return (
        builders.DashboardLink("tipstaff's own page")
        .type(models.DashboardLinkType.LINK)
        .icon("external link")
        .tooltip("Exchanges, decisions and what can be done about them")
        .url("${tipstaff_url}")
        .target_blank(target_blank=True)
    )


def _placed(board: Board) -> Iterator[builders.Row | Drawn]:
    """Rows and panels from left to right and top to bottom."""
    number = y = 0
    for row in board.rows:
        number += 1
        place = models.GridPos(x=0, y=y, w=WIDTH, h=1)
        yield builders.Row(row.title).id(number).grid_pos(place)
        x, y = 0, y + 1
        for panel in row.panels:
            number += 1
            if x + panel.width > WIDTH:
                x, y = 0, y + HEIGHT
            yield drawn(panel, number, x, y)
            x += panel.width
        y += HEIGHT
