"""When an endpoint leaves service and when it is back, on a clock that is only a number."""

import pytest

from gateway.proxy import ejection
from gateway.proxy.ejection import EJECT_AFTER, IN_SERVICE, LONGEST_EJECTION, QUIET, SPREAD, TRIAL, Health


def fail(health: Health, times: int, now: float, kind: str = "reset", chance: float = 0.0) -> Health:
    for _ in range(times):
        health = ejection.after_failure(health, kind, now, chance)
    return health


def test_only_failures_in_a_row_eject() -> None:
    health = fail(IN_SERVICE, EJECT_AFTER - 1, 10)
    health = ejection.after_success(health, 10)
    health = fail(health, EJECT_AFTER - 1, 10)
    assert not health.ejected
    assert fail(health, 1, 10).ejected_for == "reset"


def test_each_ejection_is_twice_as_long_up_to_a_bound_and_may_last_for_weeks() -> None:
    health, lengths, now = fail(IN_SERVICE, EJECT_AFTER, 0.0), [], 0.0
    for _ in range(2000):
        lengths.append(health.returns_at - now)
        now = health.returns_at
        health = ejection.after_failure(ejection.after_pick(health, now), "reset", now, 0.0)
    assert lengths[:6] == [1, 2, 4, 8, 16, 30]
    assert lengths[-1] == LONGEST_EJECTION


def test_chance_stretches_an_ejection() -> None:
    assert fail(IN_SERVICE, EJECT_AFTER, 0.0, chance=0.0).returns_at == pytest.approx(1.0)
    assert fail(IN_SERVICE, EJECT_AFTER, 0.0, chance=0.5).returns_at == pytest.approx(1.0 + SPREAD / 2)


def test_requests_from_before_the_ejection_do_not_lengthen_it() -> None:
    health = fail(IN_SERVICE, EJECT_AFTER, 0.0)
    assert fail(health, 50, 0.5).returns_at == health.returns_at
    assert fail(health, 50, 0.5).ejections == 1


def test_after_its_time_one_request_decides() -> None:
    health = fail(IN_SERVICE, EJECT_AFTER, 0.0)
    assert not ejection.may_try(health, 0.9)
    assert ejection.may_try(health, 1.0)
    trial = ejection.after_pick(health, 1.0)
    assert not ejection.may_try(trial, 1.0)
    assert ejection.may_try(trial, 1.0 + TRIAL), "a trial that never ends lets another one begin"
    assert not ejection.after_success(trial, 1.1).ejected
    assert ejection.after_failure(trial, "timeout", 1.1, 0.0).ejected_for == "timeout"


def test_a_quiet_time_forgets_earlier_ejections() -> None:
    once = ejection.after_success(fail(IN_SERVICE, EJECT_AFTER, 0.0), 1.0)
    soon = fail(once, EJECT_AFTER, 2.0)
    late = fail(once, EJECT_AFTER, 1.0 + QUIET)
    assert soon.returns_at - 2.0 == 2.0
    assert late.returns_at - (1.0 + QUIET) == 1.0


def test_a_bad_probe_never_ejects_what_serves() -> None:
    health = fail(IN_SERVICE, EJECT_AFTER - 1, 0.0)
    assert ejection.after_probe(health, alive=False, now=0.0, chance=0.0) is health


def test_a_good_probe_brings_back_what_could_not_be_reached_and_only_that() -> None:
    unreachable = fail(IN_SERVICE, EJECT_AFTER, 0.0, "refused")
    failing = fail(IN_SERVICE, EJECT_AFTER, 0.0, "malformed")
    assert not ejection.after_probe(unreachable, alive=True, now=0.1, chance=0.0).ejected
    assert ejection.after_probe(failing, alive=True, now=0.1, chance=0.0) is failing


def test_a_bad_probe_lengthens_only_an_ejection_that_is_nearly_over() -> None:
    health, ends = fail(IN_SERVICE, EJECT_AFTER, 0.0, "refused"), []
    for now in range(20):
        health = ejection.after_probe(health, alive=False, now=float(now), chance=0.0)
        assert not ejection.may_try(health, float(now)), "a user is not sent where a probe has just failed"
        ends.append(health.returns_at)
    assert ends[:4] == [2, 5, 10, 10]
    assert ends[4:6] == [10, 21]
    assert health.ejected_for == "refused"


def test_while_a_request_is_on_trial_a_bad_probe_adds_nothing_and_a_good_one_ends_the_wait() -> None:
    trial = ejection.after_pick(fail(IN_SERVICE, EJECT_AFTER, 0.0, "refused"), 1.0)
    assert ejection.after_probe(trial, alive=False, now=2.0, chance=0.0) is trial
    assert not ejection.after_probe(trial, alive=True, now=2.0, chance=0.0).ejected


def test_the_last_resort_is_free_for_what_connects_and_sparing_with_what_does_not() -> None:
    failing = fail(IN_SERVICE, EJECT_AFTER, 0.0, "timeout")
    refused = fail(IN_SERVICE, EJECT_AFTER, 0.0, "refused")
    assert ejection.may_try_last(failing, 0.0)
    assert not ejection.may_try_last(refused, 0.9)
    assert ejection.may_try_last(refused, 1.0)
    assert not ejection.may_try_last(ejection.after_pick(refused, 1.0), 1.1)
