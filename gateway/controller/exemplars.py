"""For each series of violations the exchange that was the last to make it grow, for OpenMetrics."""

from collections.abc import Iterable, Mapping

from prometheus_client.samples import Exemplar

from gateway.events.gathering import gathered
from gateway.events.schema import VerdictV1
from gateway.ports import Entry
from gateway.telemetry import metrics


class ViolationExemplars:
    """Fed by the one thread that reads verdicts, read by those that answer scrapes.

    What other gateways counted is shown by their own scrapes. Kept in memory: after a start there are none until
    something new is found.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, tuple[str, ...]], Exemplar] = {}

    def see(self, entries: Iterable[Entry]) -> None:
        """Verdicts, the newest last."""
        for entry in entries:
            if isinstance(entry.event, VerdictV1) and not gathered(entry.producer):
                self._see(entry.event)

    def shown(self) -> Mapping[tuple[str, tuple[str, ...]], Exemplar]:
        """(metric's name, label values) -> its exemplar; a copy."""
        return dict(self._last)

    def _see(self, verdict: VerdictV1) -> None:
        if not verdict.assignment.served:
            return  # what no arm answered is counted without a model
        labels = {"exchange_id": verdict.exchange_id}
        if verdict.trace_id:
            labels["trace_id"] = verdict.trace_id
        found = Exemplar(labels, 1.0, verdict.timing.started_us / 1e6)
        for violation in verdict.verdict.violations:
            series = (verdict.model, verdict.assignment.served, violation.principle, violation.severity)
            self._last[metrics.VIOLATIONS.name, series] = found
