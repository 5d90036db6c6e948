"""Running counts per model, arm, hour and principle, so that a rate never needs a look at the exchanges; those of
the last two days per minute too.

Exchanges whose arm an operator forced count only as `forced`: they are no evidence for or against an arm.
"""

import sqlite3
from collections import Counter

from classifiers.verdict import Finding
from gateway.events.schema import VerdictV1

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
MINUTES_US = 48 * HOUR_US
"""For so long minutes are counted and kept."""
ARMS = """WITH RECURSIVE arms (arm) AS (
    SELECT min(arm) FROM arm_tallies WHERE model = ?1
    UNION ALL SELECT (SELECT min(arm) FROM arm_tallies WHERE model = ?1 AND arm > arms.arm) FROM arms
    WHERE arms.arm IS NOT NULL)"""
"""A model's arms, one step into the primary key for each; then hours of one arm lie beside each other."""
_ARM = """INSERT INTO arm_tallies VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count"""
_PRINCIPLE = """INSERT INTO principle_tallies VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count"""
_MINUTE = """INSERT INTO minute_tallies VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count"""
_UNIT = """INSERT INTO units VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET hour = excluded.hour WHERE excluded.hour > hour"""


class Tallies:
    """What one batch of verdicts adds. `minutes_from_us`: older ones are counted by the hour only."""

    def __init__(self, minutes_from_us: int) -> None:
        self._minutes_from_us = minutes_from_us
        self._minutes: Counter[tuple[str, int, str, str, str]] = Counter()
        self._arms: Counter[tuple[str, str, int, str]] = Counter()
        self._principles: Counter[tuple[str, str, int, str, str]] = Counter()
        self._units: dict[tuple[str, str, bytes], int] = {}

    def count(self, event: VerdictV1) -> None:
        """Take one verdict in."""
        arm, hour = event.assignment.assigned, event.time_us // HOUR_US
        if not arm:
            return  # for a model that there is not: nobody was assigned, and the name is the client's
        if event.assignment.forced:
            self._arms[event.model, arm, hour, "forced"] += 1
            return
        whole, principles = _what(event), _principles(event)
        for what in whole:
            self._arms[event.model, arm, hour, what] += 1
        for principle, what in principles:
            self._principles[event.model, arm, hour, principle, what] += 1
        if event.time_us >= self._minutes_from_us:
            for principle, what in [*(("", what) for what in whole), *principles]:
                self._minutes[event.model, event.time_us // MINUTE_US, arm, principle, what] += 1
        unit = (event.model, arm, event.assignment.unit_hash)
        self._units[unit] = max(hour, self._units.get(unit, 0))

    def save(self, connection: sqlite3.Connection) -> None:
        """Add it to what is there, within the caller's transaction."""
        connection.executemany(_ARM, ((*key, count) for key, count in self._arms.items()))
        connection.executemany(_PRINCIPLE, ((*key, count) for key, count in self._principles.items()))
        connection.executemany(_MINUTE, ((*key, count) for key, count in self._minutes.items()))
        connection.executemany(_UNIT, ((*key, hour) for key, hour in self._units.items()))


def _what(event: VerdictV1) -> list[str]:
    verdict = event.verdict
    holds = {
        "exchanges": True,
        "evaluated": verdict.not_evaluated is None,
        "not_evaluated": verdict.not_evaluated is not None,
        "violating": verdict.severity is not None,
        "refusal_evaluated": verdict.refusal is not None,
        "refusals": bool(verdict.refusal),
        "over_refusal_evaluated": verdict.over_refusal is not None,
        "over_refusals": bool(verdict.over_refusal),
        "upstream_errors": event.reason.upstream_fault or event.status >= 500,
        "failed_over": event.assignment.served not in ("", event.assignment.assigned),
    }
    return [what for what, true in holds.items() if true]


def _principles(event: VerdictV1) -> list[tuple[str, str]]:
    found = [
        (finding.principle, what)
        for finding in event.verdict.findings
        if finding.finding is not Finding.NOT_EVALUATED
        for what in ("evaluated", *(("violations",) if finding.finding is Finding.VIOLATES else ()))
    ]
    return found + [(principle, "provocations") for principle in event.verdict.provocations]
