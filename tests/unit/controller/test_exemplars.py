"""Which exchange a series of violations points at."""

import msgspec

from classifiers.verdict import Finding, PrincipleFinding, Severity, Verdict
from gateway.controller.exemplars import ViolationExemplars
from gateway.events.gathering import local_name
from gateway.events.schema import VerdictV1
from gateway.ports import Entry
from gateway.telemetry import metrics
from tests.support.events import verdict

WEAPONS = PrincipleFinding("weapons", Finding.VIOLATES, 0.9, severity=Severity.HIGH)
SERIES = (metrics.VIOLATIONS.name, ("assistant", "stable", "weapons", "high"))


def found(number: int, *findings: PrincipleFinding, trace_id: str = "", arm: str = "stable") -> VerdictV1:
    made = verdict(number)
    served = msgspec.structs.replace(made.assignment, served=arm)
    said = Verdict(findings, "c" * 64, {})
    return msgspec.structs.replace(made, model="assistant", assignment=served, verdict=said, trace_id=trace_id)


def entry(event: VerdictV1, producer: str = "scorer-0") -> Entry:
    return Entry(producer, 1, event.time_us, event)


def test_the_last_violation_with_its_trace() -> None:
    exemplars = ViolationExemplars()
    first, second, clean = found(1, WEAPONS), found(2, WEAPONS, trace_id="a" * 32), found(3)
    exemplars.see([entry(first), entry(second), entry(clean)])
    (shown,) = exemplars.shown().items()
    assert shown[0] == SERIES
    assert shown[1].labels == {"exchange_id": second.exchange_id, "trace_id": "a" * 32}
    assert sum(len(name) + len(value) for name, value in shown[1].labels.items()) <= 128, "OpenMetrics' bound"


def test_others_violations_and_those_of_no_arm_are_not_counted_here() -> None:
    exemplars = ViolationExemplars()
    exemplars.see([entry(found(1, WEAPONS), local_name("scorer-0", "berlin")), entry(found(2, WEAPONS, arm=""))])
    assert exemplars.shown() == {}
