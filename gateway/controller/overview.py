"""The state of things, put together from what every part says of itself. Pure: values in, values out."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.core.routing import RoutingTable
from gateway.core.status import ProxyStatus
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Children

NO_UNIT = "request"
"""The unit's source where no source gave one: every request is a unit of its own."""
_ENOUGH = 20
"""Requests that a warning about their units needs."""


class Ejected(msgspec.Struct, frozen=True):
    """An endpoint that gets no traffic now, as one proxy sees it."""

    process: str
    model: str
    arm: str
    url: str
    reason: str
    returns_at_us: int | None


class UnitSource(msgspec.Struct, frozen=True):
    """How many requests had their unit from this source, and their share."""

    source: str
    requests: int
    share: float


def ejected(statuses: Iterable[ProxyStatus]) -> list[Ejected]:
    """Every endpoint that some proxy has ejected or found unhealthy."""
    return [
        Ejected(status.process, arm.model, arm.arm, endpoint.url, endpoint.ejected_for, endpoint.returns_at_us)
        for status in statuses
        for arm in status.arms
        for endpoint in arm.endpoints
        if endpoint.returns_at_us is not None or not endpoint.healthy
    ]


def behind(status: ProxyStatus, table: RoutingTable) -> bool:
    """True when the proxy acts on another table than the one in force."""
    acts_on = (status.store_id, status.table_epoch, status.table_version)
    return acts_on != (table.store_id, table.epoch, table.version)


def units(totals: Mapping[str, Children], model: str) -> list[UnitSource]:
    """Where a model's units came from, since the counters began; the most used source first."""
    counts = {key[1]: int(values[0]) for key, values in totals[metrics.UNITS.name].items() if key[0] == model}
    whole = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [UnitSource(source, count, count / whole) for source, count in ranked if count]


def unit_warning(model: str, sources: Sequence[UnitSource]) -> str | None:
    """What to do when most requests carry no unit; None when they do, or when there were few."""
    without = next((found for found in sources if found.source == NO_UNIT), None)
    if without is None or without.share <= 0.5 or sum(found.requests for found in sources) < _ENOUGH:
        return None
    return (
        f"{model}: {without.share:.0%} of the requests carry no unit, so each is assigned by itself and a user may "
        "see both arms: have clients send one of the sources in `unit`, like x-user-id"
    )


def single(totals: Mapping[str, Children], metric: metrics.Metric) -> float | None:
    """The number of a metric without labels; None when no living process has it."""
    children = totals[metric.name]
    return children[()][0] if () in children else None


def up(totals: Mapping[str, Children]) -> dict[str, bool]:
    """Process -> does it run."""
    return {key[0]: bool(values[0]) for key, values in sorted(totals[metrics.PROCESS_UP.name].items())}
