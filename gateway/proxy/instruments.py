"""The data plane's metrics: every child is made once and kept."""

from bisect import bisect_left

from gateway.core.exchange import Reason, Route
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import Counter, Gauge, Histogram  # noqa: TC001 - Series' annotations are for readers, not for a checker only
from gateway.telemetry.metrics import Meters

NO_UNIT = "request"
"""The source of a request that is its own unit."""
_SUM = len(metrics.SECONDS) + 1
"""Where a histogram of seconds keeps their sum, from its first slot on."""


class Series:
    """The children of one (model, arm, route)."""

    __slots__ = (
        "_duration",
        "_ended",
        "_first_byte",
        "_labels",
        "_meters",
        "_values",
        "in_flight",
        "inter_chunk",
        "overhead",
    )

    def __init__(self, meters: Meters, model: str, arm: str, route: Route) -> None:
        self._meters = meters
        self._labels = (model, arm, route.value)
        self._values = meters.file.values
        self._ended: dict[tuple[int, Reason], int] = {}
        """The slots of the counters."""
        self._duration = meters.histogram(metrics.DURATION, model, arm, route.value).slot
        self._first_byte = meters.histogram(metrics.FIRST_BYTE, model, arm, route.value).slot
        self.inter_chunk: Histogram = meters.histogram(metrics.INTER_CHUNK, model, arm)
        self.overhead: Histogram = meters.histogram(metrics.OVERHEAD_SECONDS, model)
        self.in_flight: Gauge = meters.gauge(metrics.IN_FLIGHT, model, arm)

    def ended(self, status: int, reason: Reason, seconds: float, first_byte: float | None) -> None:
        """One more exchange that ended so, after so many seconds. One call for what would be five on the way of
        every request.
        """
        values = self._values
        slot = self._ended.get((status, reason))
        values[self._slot(status, reason) if slot is None else slot] += 1.0
        values[self._duration + bisect_left(metrics.SECONDS, seconds)] += 1.0
        values[self._duration + _SUM] += seconds
        if first_byte is not None:
            values[self._first_byte + bisect_left(metrics.SECONDS, first_byte)] += 1.0
            values[self._first_byte + _SUM] += first_byte

    def _slot(self, status: int, reason: Reason) -> int:
        made = self._meters.counter(metrics.REQUESTS, *self._labels, str(status), reason.value).slot
        self._ended[status, reason] = made
        return made


class Instruments:
    """One process's data-plane metrics. Gauges begin at 0: what an earlier process had open is not open here."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._series: dict[tuple[str, str, Route], Series] = {}
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._units: dict[tuple[str, str], Counter] = {}
        self._rejected: dict[str, Counter] = {}
        self._fail_overs: dict[tuple[str, str], Counter] = {}
        self.connections: Gauge = meters.gauge(metrics.CONNECTIONS)
        self.connections.set(0)

    def series(self, model: str, arm: str, route: Route) -> Series:
        """The children for a model, an arm and a route; both names empty for what no arm saw."""
        series = self._series.get((model, arm, route))
        if series is None:
            series = self._series[model, arm, route] = Series(self._meters, model, arm, route)
            if (model, arm) not in self._gauges:
                self._gauges[model, arm] = series.in_flight
                series.in_flight.set(0)
        return series

    def unit(self, model: str, source: str) -> None:
        """An exchange whose unit came from `source`."""
        counter = self._units.get((model, source))
        if counter is None:
            counter = self._units[model, source] = self._meters.counter(metrics.UNITS, model, source)
        counter.inc()

    def rejected(self, code: str) -> None:
        """A request that the gateway itself refused."""
        counter = self._rejected.get(code)
        if counter is None:
            counter = self._rejected[code] = self._meters.counter(metrics.REJECTED, code)
        counter.inc()

    def failed_over(self, model: str, arm: str) -> None:
        """A request of `arm` that another arm serves."""
        counter = self._fail_overs.get((model, arm))
        if counter is None:
            counter = self._fail_overs[model, arm] = self._meters.counter(metrics.FAIL_OVERS, model, arm)
        counter.inc()
