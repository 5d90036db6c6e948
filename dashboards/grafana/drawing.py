"""From a panel's value to Grafana's model of it."""

from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.palette import BLUE, PURPLE, Look
from dashboards.grafana.panel import Panel
from dashboards.grafana.query import Query

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 9
_DASHES = {"fill": "dash", "dash": [10, 6]}
Drawn = timeseries.Panel | bargauge.Panel | stat.Panel | statetimeline.Panel | table.Panel


def drawn(panel: Panel, number: int, x: int, y: int) -> Drawn:
    """The panel in its place; `number`: its id, unique on its dashboard."""
    builder = (
        _form(panel)
        .id(number)
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(DATASOURCE)
        .grid_pos(models.GridPos(x=x, y=y, w=panel.width, h=HEIGHT))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.SHADES).fixed_color(PURPLE))
        .thresholds(_no_thresholds())
    )
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        builder = builder.with_target(_target(query, letter, panel))
    for look in panel.looks:
        builder = builder.override_by_regexp(f"/{look.pattern}/", _properties(look))
    if panel.states:
        words = {
            value: models.ValueMappingResult(text=word, color=colour or None)
            for value, (word, colour) in panel.states.items()
        }
        builder = builder.mappings([models.ValueMap(options=words)])
    return builder if panel.most is None else builder.max(panel.most)


def _form(panel: Panel) -> Drawn:
    if panel.form == "bars":
        return (
            bargauge.Panel()
            .orientation(options.VizOrientation.HORIZONTAL)
            .display_mode(options.BarGaugeDisplayMode.BASIC)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            .min(0)
        )
    if panel.form == "numbers":
        return (
            stat.Panel()
            .graph_mode(options.BigValueGraphMode.NONE)
            .text_mode(options.BigValueTextMode.VALUE_AND_NAME)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        )
    if panel.form == "states":
        return statetimeline.Panel().show_value(options.VisibilityMode.AUTO)
    return table.Panel() if panel.form == "table" else _lines()


def _lines() -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.TABLE)
        .placement(options.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(show_legend=True)
    )
    tooltip = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    return timeseries.Panel().legend(legend).tooltip(tooltip).line_width(2).fill_opacity(0).axis_soft_min(0)


def _no_thresholds() -> builders.ThresholdsConfig:
    """Left out, Grafana would draw its own: what is above 80 in red, the rest in green."""
    step = models.Threshold(value=None, color=BLUE)
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps([step])


def _target(query: Query, letter: str, panel: Panel) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).expr(query.expression).legend_format(query.legend)
    target = target.datasource(DATASOURCE)
    target = target.instant() if query.instant else target.range()
    if panel.form == "table":
        target = target.format(PromQueryFormat.TABLE)
    return target.exemplar(exemplar=True) if query.exemplar else target


def _properties(look: Look) -> list[models.DynamicConfigValue]:
    made = []
    if look.colour:
        made.append(models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": look.colour}))
    if look.dashed:
        made.append(models.DynamicConfigValue("custom.lineStyle", _DASHES))
    if look.width:
        made.append(models.DynamicConfigValue("custom.lineWidth", look.width))
    return made
