"""What single violations do to the fast alarm, beside the same sums made by hand."""

import msgspec
import pytest

from gateway.rollout.evidence import Evidence
from tests.support.engine import Drive, quick

PLAN = quick(minimum_units=0)
MINUTE = 40.5
"""From the start until just after a whole minute: the second stage has begun."""
ANN, BEN = 1, 2


def test_the_first_violation_of_a_unit_in_a_stage_counts_and_no_other() -> None:
    drive, expected = Drive(quick(dwell=600)), Evidence(PLAN)
    for _ in range(3):
        drive.see(drive.seen(BEN, canary=True, violates=True))
        drive.pause(11)
    expected.violation([0], 0.1, canary=True)
    assert drive.engine.evidence.alarm.log2() == expected.alarm.log2()


def test_each_guardrail_has_a_first_violation_and_of_the_second_the_arm_is_known() -> None:
    drive, expected = Drive(quick(dwell=600)), Evidence(PLAN)
    drive.see(drive.seen(BEN, canary=True, violates=True))
    both = msgspec.structs.replace(drive.seen(BEN, canary=True), outcomes=(1000, 1000))
    drive.see(both)
    drive.see(msgspec.structs.replace(both, time_us=both.time_us + 1, unit=b"another"))
    expected.violation([0], 0.1, canary=True)
    expected.violation([0, 1], 0.1, canary=True)
    assert drive.engine.evidence.alarm.log2() == expected.alarm.log2()


def test_in_a_later_stage_one_counts_again_as_far_as_its_arm_is_open() -> None:
    drive, expected = Drive(PLAN), Evidence(PLAN)
    drive.see(drive.seen(ANN, canary=False, violates=True))
    drive.see(drive.seen(BEN, canary=True, violates=True))
    drive.pause(MINUTE)
    drive.see(drive.seen(ANN, canary=True, violates=True))
    drive.see(drive.seen(BEN, canary=True, violates=True))
    expected.violation([0], 0.1, canary=False)
    expected.violation([0], 0.1, canary=True)
    expected.enter(1)
    expected.violation([0], (0.3 - 0.1) / 0.9, canary=True)
    assert drive.engine.evidence.alarm.log2() == pytest.approx(expected.alarm.log2())


def test_exposures_without_a_violation_tell_it_nothing() -> None:
    drive, expected = Drive(PLAN), Evidence(PLAN)
    drive.see(drive.seen(ANN, canary=False))
    drive.pause(MINUTE)
    drive.see(drive.seen(ANN, canary=True, violates=True))
    expected.enter(1)
    expected.violation([0], 0.3, canary=True)
    assert drive.engine.evidence.alarm.log2() == pytest.approx(expected.alarm.log2())
