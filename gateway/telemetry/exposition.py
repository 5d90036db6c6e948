"""One scrape for all processes: the counter files of a data folder, merged, in Prometheus's formats.

Counters and histograms are summed over every file, those of ended processes included, so that sums never
fall. Gauges come from living processes only and are merged by their `Metric.across`.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from gateway.telemetry import counterfile, metrics
from gateway.telemetry.counterfile import Reader, Series
from gateway.telemetry.metrics import Metric

log = structlog.get_logger(__name__)

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
Children = dict[tuple[str, ...], list[float]]
"""Label values, in the metric's order -> a counter's or gauge's number, or a histogram's buckets and sum."""
Exemplars = Mapping[tuple[str, tuple[str, ...]], Exemplar]
"""(Metric's name, label values) -> what made the counter grow last."""


class Reading(msgspec.Struct, frozen=True):
    """A number that no counter file holds: a gauge of the controller's, or a 0 for a series to start from."""

    metric: Metric
    values: tuple[str, ...]
    value: float = 0.0


class Exposition(Collector):
    """Reads the files when asked. `extra` gives what else there is, `exemplars` those of counters, also anew.

    `wanted`: the processes that should live; None: all that ever did. Of the others the dead are not spoken of.
    """

    def __init__(
        self,
        folder: Path,
        extra: Callable[[], Iterable[Reading]] = tuple,
        exemplars: Callable[[], Exemplars] = dict,
        wanted: Collection[str] | None = None,
    ) -> None:
        self._folder = folder
        self._extra = extra
        self._exemplars = exemplars
        self._wanted = wanted
        self._lock = threading.Lock()
        self._readers: dict[Path, Reader] = {}
        self._last: dict[str, list[tuple[Series, list[float]]]] = {}

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, chosen by the request's Accept header. Blocks for the files."""
        encode, content_type = choose_encoder(accept)
        return encode(self), content_type

    def collect(self) -> Iterator[Family]:
        """Every metric that tipstaff has, in the order of `metrics.ALL`, also those without a series yet."""
        totals, exemplars = self.totals(), self._exemplars()
        for metric in metrics.ALL:
            yield _family(metric, totals[metric.name], exemplars)

    def totals(self) -> dict[str, Children]:
        """The merged numbers by metric name. Blocks for the files."""
        totals: dict[str, Children] = {metric.name: {} for metric in metrics.ALL}
        with self._lock:
            living = self._look()
            for process, numbers in self._last.items():
                for series, values in numbers:
                    _merge(totals, series, values, living=process in living)
                if process in living or self._wanted is None or process in self._wanted:
                    totals[metrics.PROCESS_UP.name][(process,)] = [float(process in living)]
        for reading in self._extra():
            _add(totals[reading.metric.name], reading)
        return totals

    def _look(self) -> set[str]:
        """Read all files, and return the names of the processes that live.

        A file that cannot be read this time counts with what it held before: a sum that fell and rose again
        would look like a restart and be counted twice.
        """
        living = set()
        for path in sorted(self._folder.glob("*.bin")):
            try:
                self._last[path.stem] = list(self._readers.setdefault(path, Reader(path)).read())
                if counterfile.alive(path):
                    living.add(path.stem)
            except (OSError, ValueError) as error:  # ValueError: an empty file, or keys that are not JSON
                log.warning("counter file cannot be read", path=str(path), error=str(error))
        return living


_BY_NAME = {metric.name: metric for metric in metrics.ALL}


def _merge(totals: dict[str, Children], series: Series, values: list[float], *, living: bool) -> None:
    metric = _BY_NAME.get(series.name)
    if metric is None or series.bounds != metric.bounds or len(series.labels) != len(metric.labels):
        return  # a file that another version wrote: a metric that is no more, or has other buckets or labels now
    if metric.kind == "gauge" and not living:
        return
    children = totals[metric.name]
    key = tuple([value for _, value in series.labels])
    known = children.get(key)
    if known is None:
        children[key] = list(values)
    elif metric.kind == "gauge" and metric.across != "sum":
        known[0] = max(known[0], values[0]) if metric.across == "max" else min(known[0], values[0])
    else:
        for place, value in enumerate(values):
            known[place] += value


def _add(children: Children, reading: Reading) -> None:
    if reading.metric.kind == "histogram":
        children.setdefault(reading.values, [0.0] * (len(reading.metric.bounds) + 2))
    elif reading.metric.kind == "counter":
        children.setdefault(reading.values, [0.0])[0] += reading.value
    else:
        children[reading.values] = [reading.value]


def _family(metric: Metric, children: Children, exemplars: Exemplars) -> Family:
    if metric.kind == "histogram":
        return _histogram(metric, children)
    if metric.kind == "counter":
        return _counter(metric, children, exemplars)
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for key, values in sorted(children.items()):
        family.add_metric(key, values[0])
    return family


def _counter(metric: Metric, children: Children, exemplars: Exemplars) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    if not metric.labels and not children:
        children = {(): [0.0]}
    for key, values in sorted(children.items()):
        family.add_metric(key, values[0], exemplar=exemplars.get((metric.name, key)))
    return family


def _histogram(metric: Metric, children: Children) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    edges = [*(str(bound) for bound in metric.bounds), "+Inf"]
    for key, values in sorted(children.items()):
        buckets, count = [], 0.0
        for edge, value in zip(edges, values[:-1], strict=True):
            count += value
            buckets.append((edge, count))
        family.add_metric(key, buckets, values[-1])
    return family
