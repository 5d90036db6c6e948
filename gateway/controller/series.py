"""What /metrics shows beside the counter files: weights, ledger, level alarms, what runs, zeros to start from."""

from collections.abc import Callable, Iterator, Mapping

from classifiers.constitution import Constitution
from classifiers.verdict import Severity, Why
from gateway.controller import rollout_series
from gateway.controller.levels import Levels
from gateway.controller.rollout_series import Standing
from gateway.controller.tables import Tables
from gateway.core.exchange import Reason, Route
from gateway.core.routing import RoutingTable
from gateway.events.ledger import Ledger
from gateway.events.schema import Stream
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Reading


class ControllerSeries:
    """Gives `Exposition` its extra readings, anew at each scrape."""

    def __init__(
        self,
        tables: Tables,
        ledgers: Callable[[], Mapping[Stream, Ledger]],
        constitution: Constitution,
        levels: Levels,
        standing: Callable[[str], Standing | None],
        silences: Callable[[], Mapping[str, float]],
        *,
        version: str,
        classifier: str,
    ) -> None:
        self._tables = tables
        self._ledgers = ledgers
        self._levels = levels
        self._standing = standing
        self._silences = silences
        self._principles = {principle.id: principle.severity for principle in constitution.principles}
        self._build = (version, constitution.hash, classifier)

    def __call__(self) -> Iterator[Reading]:
        """All of them. Blocks for the state store and the log's files."""
        table = self._tables.current()
        yield Reading(metrics.BUILD_INFO, self._build, 1)
        yield Reading(metrics.LEADS, (), float(not self._tables.elsewhere))
        if (age := self._tables.age_seconds) is not None:
            yield Reading(metrics.TABLE_AGE, (), age)
        yield Reading(metrics.TABLE_IN_FORCE, (), table.version)
        for process, seconds in self._silences().items():
            yield Reading(metrics.PROXY_SILENT, (process,), seconds)
        yield from _weights(table)
        for model in () if self._tables.elsewhere else table.models:  # there, rollouts of its own are of the past
            if (found := self._standing(model)) is not None:
                yield from rollout_series.readings(found)
        yield from _deliveries(self._ledgers())
        for each in self._levels.shown():
            yield Reading(metrics.LEVEL_ALARM, (each.model, each.arm, each.principle), float(each.raised_us > 0))
        for model, route in table.models.items():
            for share in route.arms:
                yield from zeros(model, share.arm, self._principles)


def _weights(table: RoutingTable) -> Iterator[Reading]:
    for model, route in table.models.items():
        for share in route.arms:
            yield Reading(metrics.WEIGHT, (model, share.arm), share.weight)


def _deliveries(ledgers: Mapping[Stream, Ledger]) -> Iterator[Reading]:
    for stream, ledger in ledgers.items():
        for consumer, delivery in ledger.consumers.items():
            yield Reading(metrics.DELIVERED, (stream, consumer), delivery.delivered)
            yield Reading(metrics.SPOOLED, (stream, consumer), delivery.spooled)


def zeros(model: str, arm: str, principles: Mapping[str, Severity]) -> Iterator[Reading]:
    """Series of a known arm that may stay without an event for long: `rate` sees the first one only from 0."""
    yield Reading(metrics.REQUESTS, (model, arm, Route.CHAT, "200", Reason.COMPLETE))
    yield Reading(metrics.FAIL_OVERS, (model, arm))
    yield Reading(metrics.SCORED, (model, arm))
    for kind in ("refusal", "over_refusal"):
        yield Reading(metrics.REFUSALS, (model, arm, kind))
    for why in Why:
        yield Reading(metrics.NOT_EVALUATED, (model, arm, why))
    for principle, severity in principles.items():
        yield Reading(metrics.PROVOCATIONS, (model, arm, principle))
        yield Reading(metrics.VIOLATIONS, (model, arm, principle, severity))
