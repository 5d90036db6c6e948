"""What exchanges go through after they were answered: scoring, relaying, storage. Values from the counters of all
processes, since those began to count; nothing here reads an exchange.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gateway.controller import overview
from gateway.events.ledger import Ledger
from gateway.events.schema import Stream
from gateway.processes import RELAY
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Children

Totals = Mapping[str, Children]


class Scorer(msgspec.Struct, frozen=True):
    """`processes` that run. `lag_seconds`: None: none does. `scored`: exchanges that got a verdict."""

    processes: int
    lag_seconds: float | None
    scored: int


class Evaluator(msgspec.Struct, frozen=True):
    """A stage of the cascade. `evaluated`: exchanges that it read; `not_evaluated`: scored without it, by reason.

    `version`: in the newest verdict, empty where that does not name it. Quantiles: of its seconds for one exchange,
    None where it has read none.
    """

    name: str
    version: str
    evaluated: int
    not_evaluated: dict[str, int]
    p50_seconds: float | None
    p95_seconds: float | None


class Relayed(msgspec.Struct, frozen=True):
    """One stream on its way to `target`: its ledger there, and how far the relay is behind with all of them."""

    target: str
    stream: Stream
    lag_seconds: float | None
    delivered: int
    spooled: int
    lost: int


def scorer(totals: Totals) -> Scorer:
    """All scorers together."""
    running = [name for name, is_up in overview.up(totals).items() if is_up and name.startswith("scorer")]
    return Scorer(len(running), overview.single(totals, metrics.SCORER_LAG), _sum(totals, metrics.SCORED))


def not_evaluated(totals: Totals) -> dict[str, int]:
    """Exchanges of which nothing could be evaluated, by reason."""
    found: dict[str, int] = {}
    for (_, _, reason), values in totals[metrics.NOT_EVALUATED.name].items():
        found[reason] = found.get(reason, 0) + int(values[0])
    return {reason: count for reason, count in sorted(found.items()) if count}


def evaluators(totals: Totals, versions: Mapping[str, str]) -> list[Evaluator]:
    """By name: those that have ever read something, and those that `versions` (name -> version) names."""
    histograms = {key[0]: values for key, values in totals[metrics.CLASSIFIER_SECONDS.name].items()}
    scored = _sum(totals, metrics.SCORED)
    return [
        _evaluator(name, versions.get(name, ""), histograms.get(name, ()), scored)
        for name in sorted({*histograms, *versions})
    ]


def _evaluator(name: str, version: str, histogram: Sequence[float], scored: int) -> Evaluator:
    buckets = histogram[:-1]
    read = int(sum(buckets))
    return Evaluator(
        name=name,
        version=version,
        evaluated=read,
        not_evaluated={"unread": scored - read} if scored > read else {},
        p50_seconds=quantile(metrics.CLASSIFIER_SECONDS.bounds, buckets, 0.5),
        p95_seconds=quantile(metrics.CLASSIFIER_SECONDS.bounds, buckets, 0.95),
    )


def quantile(bounds: Sequence[float], buckets: Sequence[float], share: float) -> float | None:
    """Of a histogram's counts by bucket, the last without an upper bound; straight within a bucket, as Prometheus
    does it. Above the highest bound it is that bound; None: there is nothing in it.
    """
    wanted = share * sum(buckets)
    if not wanted:
        return None
    low = below = 0.0
    for bound, count in zip(bounds, buckets, strict=False):
        if below + count >= wanted:
            return low + (bound - low) * (wanted - below) / count
        low, below = bound, below + count
    return low


def relays(totals: Totals, ledgers: Mapping[Stream, Ledger]) -> list[Relayed]:
    """What is relayed; nothing where no relay is configured."""
    lag = overview.single(totals, metrics.RELAY_LAG)
    return [
        Relayed("kafka", stream, lag, of.delivered, of.spooled, of.lost)
        for stream, ledger in ledgers.items()
        if (of := ledger.consumers.get(RELAY)) is not None
    ]


def used_bytes(folder: Path) -> int:
    """What the files below `folder` take; of those that go meanwhile, nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_blocks * 512  # noqa: PTH118 - thousands
            except FileNotFoundError:
                continue
    return total


def _sum(totals: Totals, metric: metrics.Metric) -> int:
    return int(sum(values[0] for values in totals[metric.name].values()))
