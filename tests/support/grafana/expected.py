"""What a query must show, as a value, and the kinds of it: so that the table of panels can be read."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import ceil

import msgspec

from gateway.telemetry.metrics import SECONDS
from tests.support.grafana.account import Account
from tests.support.grafana.labels import Counts, Labels, only

EXACT = 1e-12
"""Gauges: what floating-point numbers lose on their way through text, if anything."""
SAME_WINDOW = 1e-4
"""Shares: both sides are extrapolated alike, but for series that begin at 0 by a millisecond's part of the run."""
WINDOW = 1e-3
"""Rates: the window is a millisecond longer than the time between the samples, and is extrapolated to."""


class Between(msgspec.Struct, frozen=True):
    """A bucket: the quantile of a histogram is interpolated within it."""

    low: float
    high: float


class Expected(msgspec.Struct, frozen=True):
    """`values`: of each series that is not 0. `silent`: labels of those that have no value, 0 of 0."""

    values: Mapping[Labels, float | Between]
    tolerance: float = EXACT
    silent: Callable[[Labels], bool] = lambda _: False

    def fits(self, labels: Labels, value: float) -> bool:
        """Whether a series may have that value."""
        wanted = self.values.get(labels, 0.0)
        if value != value:  # noqa: PLR0124 - that is what NaN is
            return self.silent(labels)
        if isinstance(wanted, Between):
            return wanted.low * (1 - EXACT) <= value <= wanted.high * (1 + EXACT)
        return abs(value - wanted) <= self.tolerance * max(abs(wanted), EXACT)


Ask = Callable[[Account], Expected]


def nothing(_: Account) -> Expected:
    """Nothing waits, nothing is lost: the series are there, at 0."""
    return Expected({})


def never(_: Account) -> Expected:
    """There is no such series: what it would say was not so."""
    return Expected({})


def gauge(values: Callable[[Account], Mapping[Labels, float | Between]]) -> Ask:
    """Exactly this, or within this."""
    return lambda account: Expected(values(account))


def per_second(counts: Callable[[Account], Counts]) -> Ask:
    """So many within the window, as a rate."""
    return lambda account: Expected(
        {labels: count / account.seconds for labels, count in counts(account).items()}, WINDOW
    )


def grown(counts: Callable[[Account], Counts]) -> Ask:
    """So many within the window."""
    return lambda account: Expected(dict(counts(account)), WINDOW)


def share(part: Callable[[Account], Counts], whole: Callable[[Account], Counts]) -> Ask:
    """One count over the other one of the same model and arm; no value where there was nothing at all."""

    def expected(account: Account) -> Expected:
        all_of_it = whole(account)
        return Expected(
            {labels: count / all_of_it[_where(labels)] for labels, count in part(account).items()},
            SAME_WINDOW,
            lambda labels: not all_of_it[_where(labels)],
        )

    return expected


def quantile(
    of: float,
    times: Callable[[Account], Iterable[tuple[Labels, float]]],
    bounds: tuple[float, ...] = SECONDS,
    *,
    at_most: bool = False,
) -> Ask:
    """The bucket in which the recorded times have this quantile. `at_most`: what was recorded is longer than what
    the metric measures, so it only bounds it.
    """

    def expected(account: Account) -> Expected:
        by: defaultdict[Labels, list[float]] = defaultdict(list)
        for labels, seconds in times(account):
            by[labels].append(seconds)
        values = {labels: _bucket(sorted(all_of), of, bounds) for labels, all_of in by.items()}
        if at_most:
            values = {labels: Between(0.0, each.high) for labels, each in values.items()}
        return Expected(values, silent=lambda labels: labels not in by)

    return expected


def _bucket(times: list[float], of: float, bounds: tuple[float, ...]) -> Between:
    """As `histogram_quantile` has it: the first that holds a share of `of`, with those before it. Where that ends
    just with a bucket, what rates lose in rounding may make it the very beginning of the next one that has any.
    """
    rank = of * len(times)
    place = bisect_left(bounds, times[max(ceil(rank), 1) - 1])
    high = bounds[min(place, len(bounds) - 1)]
    if rank == ceil(rank) < len(times):
        after = bisect_left(bounds, times[ceil(rank)])
        high = max(high, bounds[after - 1] if after else 0.0)
    return Between(bounds[place - 1] if place else 0.0, high)


def _where(labels: Labels) -> Labels:
    return only(labels, "model", "arm")
