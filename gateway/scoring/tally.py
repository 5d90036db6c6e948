"""Counts verdicts into metrics: after they are durable, each exactly once, also over kill -9."""

from typing import TYPE_CHECKING

from gateway.events.schema import VerdictV1
from gateway.ports import EventLog
from gateway.telemetry.metrics import (
    CLASSIFIER_SECONDS,
    DROPPED,
    NOT_EVALUATED,
    PRODUCED,
    PROVOCATIONS,
    REFUSALS,
    SCORED,
    STARTED,
    VIOLATIONS,
    Meters,
    Metric,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.telemetry.counterfile import Counter

_PAGE = 256


class Tally:
    """The scoring metrics of one scorer.

    A verdict is counted after its commit, and PRODUCED last: so PRODUCED says how many of the log's verdicts
    are counted, and `catch_up` counts what a killed process had committed and not counted. Off by at most
    the one verdict that was being counted at that moment. STARTED moves with PRODUCED: what was begun and
    not committed is begun anew from its durable exchange, so no verdict is ever dropped.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._children: dict[tuple[str, ...], Counter] = {}
        self._started = meters.counter(STARTED, "verdicts")
        self._produced = meters.counter(PRODUCED, "verdicts")
        self._lost = meters.counter(DROPPED, "verdicts", "log_lost")
        self._histograms: dict[str, Callable[[float], None]] = {}

    def count(self, verdict: VerdictV1) -> None:
        """Count one that is committed."""
        where = _where(verdict)
        found = verdict.verdict
        self._inc(SCORED, *where)
        if found.not_evaluated is not None:
            self._inc(NOT_EVALUATED, *where, found.not_evaluated)
        for violation in found.violations:
            self._inc(VIOLATIONS, *where, violation.principle, violation.severity)
        for principle in found.provocations:
            self._inc(PROVOCATIONS, *where, principle)
        if found.refusal:
            self._inc(REFUSALS, *where, "over_refusal" if found.over_refusal else "refusal")
        for stage, seconds in found.seconds.items():
            self._observe(stage, seconds)
        self._started.inc()
        self._produced.inc()

    def catch_up(self, log: EventLog) -> int:
        """Count this scorer's verdicts that are in the log and not counted yet; returns how many."""
        end = log.appended("verdicts")
        self._match_log(end)
        position = int(self._produced.value)
        positions = {log.producer: position}
        while positions[log.producer] < end:
            batch = log.read("verdicts", positions, _PAGE)
            if not batch.entries:
                break
            for entry in batch.entries:
                if entry.producer == log.producer and isinstance(entry.event, VerdictV1):
                    self.count(entry.event)
            positions = {**positions, **batch.positions}
        self._match_log(end, caught_up=True)
        return end - position

    def _match_log(self, end: int, *, caught_up: bool = False) -> None:
        """Bring PRODUCED and STARTED in line with the log, which ends at `end` and is always right.

        PRODUCED above `end`: the log was lost, and as many verdicts with it. Below it after catching up: verdicts
        were purged before they could be counted, so they count as produced and nothing more is known of them.
        """
        missing = end - self._produced.value
        if missing < 0:
            self._produced.inc(missing)
            self._lost.inc(-missing)
        elif caught_up:
            self._produced.inc(missing)
        self._started.inc(self._produced.value + self._lost.value - self._started.value)

    def _inc(self, metric: Metric, *labels: str) -> None:
        key = (metric.name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._meters.counter(metric, *labels)
        child.inc()

    def _observe(self, stage: str, seconds: float) -> None:
        observe = self._histograms.get(stage)
        if observe is None:
            observe = self._histograms[stage] = self._meters.histogram(CLASSIFIER_SECONDS, stage).observe
        observe(seconds)


def _where(verdict: VerdictV1) -> tuple[str, str]:
    """Model and the arm that answered. What no arm answered carries no client-given name into a label."""
    arm = verdict.assignment.served
    return (verdict.model, arm) if arm else ("", "")
