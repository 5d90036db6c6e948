"""PromQL over raw metrics, from their definitions: a metric that is renamed is renamed on the dashboards."""

import msgspec

from gateway.telemetry.metrics import Metric

VARIABLES = ("model", "arm", "principle")
"""Labels that are chosen above a dashboard."""
RATE = "$__rate_interval"
RANGE = "$__range"


class Query(msgspec.Struct, frozen=True):
    """One expression; `legend` names its series. `instant`: its value now, not over time. `exemplar`: with those of
    its counter; histograms have none.
    """

    expression: str
    legend: str
    exemplar: bool = False
    instant: bool = False


def chosen(metric: Metric, *matchers: str, part: str = "", free: tuple[str, ...] = ()) -> str:
    """The series of a metric that the variables let through; not those named in `free`, which mean another arm than
    the one that served. `part`: of a histogram.
    """
    ours = [f'{each}=~"${each}"' for each in VARIABLES if each in metric.labels and each not in free]
    inside = ",".join((*ours, *matchers))
    return f"{metric.name}{part}{{{inside}}}" if inside else f"{metric.name}{part}"


def highest(metric: Metric, *matchers: str, by: tuple[str, ...] = (), free: tuple[str, ...] = ()) -> str:
    """A gauge's; of several gateways the highest."""
    return f"max{_by(by)} ({chosen(metric, *matchers, free=free)})"


def lowest(metric: Metric, *, by: tuple[str, ...] = ()) -> str:
    """A gauge's; of several gateways the lowest."""
    return f"min{_by(by)} ({chosen(metric)})"


def total(metric: Metric, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """A gauge's sum."""
    return f"sum{_by(by)} ({chosen(metric, *matchers)})"


def rate(metric: Metric, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """A counter's growth in one second."""
    return f"sum{_by(by)} (rate({chosen(metric, *matchers)}[{RATE}]))"


def growth(metric: Metric, *matchers: str, by: tuple[str, ...] = (), window: str = RANGE) -> str:
    """A counter's growth within the window."""
    return f"sum{_by(by)} (increase({chosen(metric, *matchers)}[{window}]))"


def share(part: str, whole: str, on: tuple[str, ...]) -> str:
    """`part` of `whole`, which has the labels `on` and no others."""
    return f"{part} / on ({', '.join(on)}) group_left () {whole}"


def rest(whole: str, part: str) -> str:
    """`whole` less `part`, which may lack series that `whole` has: nothing is taken from those."""
    return f"({whole} - ({part} or 0 * {whole}))"


def quantile(quantile: float, metric: Metric, *matchers: str, by: tuple[str, ...]) -> str:
    """Of a histogram."""
    inside = f"rate({chosen(metric, *matchers, part='_bucket')}[{RATE}])"
    return f"histogram_quantile({quantile:g}, sum{_by(('le', *by))} ({inside}))"


def quantiles(metric: Metric, *matchers: str, by: tuple[str, ...], of: tuple[float, ...]) -> tuple[Query, ...]:
    """One query for each; a series is named by its labels and p50, p95, ..."""
    names = " ".join(f"{{{{{label}}}}}" for label in by)
    return tuple(Query(quantile(each, metric, *matchers, by=by), f"{names} p{100 * each:g}") for each in of)


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
