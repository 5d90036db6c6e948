"""Which endpoint gets the next request, and what an arm without a good one does."""

from collections import Counter
from hashlib import blake2b
from pathlib import Path

import pytest

from gateway.proxy.ejection import EJECT_AFTER, TRIAL
from gateway.proxy.endpoints import ArmEndpoints, Endpoint
from gateway.telemetry.metrics import UPSTREAM_ERRORS, Meters
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import endpoint, meters


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def its_meters(tmp_path: Path) -> Meters:
    return meters(tmp_path)


@pytest.fixture
def arm(its_meters: Meters, clock: ManualClock) -> ArmEndpoints:
    return of(3, its_meters, clock)


def of(count: int, its_meters: Meters, clock: ManualClock) -> ArmEndpoints:
    endpoints = [endpoint(f"http://10.0.0.{number}:8000", its_meters, clock) for number in range(1, count + 1)]
    return ArmEndpoints("assistant", "stable", endpoints, clock)


def conversation(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def eject(target: Endpoint, kind: str = "reset") -> None:
    for _ in range(EJECT_AFTER):
        target.failed(kind)


def test_an_address_is_taken_apart(its_meters: Meters, clock: ManualClock) -> None:
    plain = endpoint("http://vllm-a:8000", its_meters, clock)
    secure = endpoint("https://vllm-b", its_meters, clock)
    six = endpoint("http://[::1]:8000", its_meters, clock)
    assert (plain.host, plain.port, plain.tls) == ("vllm-a", 8000, False)
    assert (secure.host, secure.port, secure.tls) == ("vllm-b", 443, True)
    assert (six.host, six.port) == ("::1", 8000)


def test_the_least_busy_gets_it_and_equals_take_turns(arm: ArmEndpoints) -> None:
    assert Counter(arm.pick(None) for _ in range(30)) == dict.fromkeys(arm.endpoints, 10)
    arm.endpoints[0].in_flight, arm.endpoints[2].in_flight = 2, 3
    assert {arm.pick(None) for _ in range(10)} == {arm.endpoints[1]}


def test_a_conversation_keeps_its_endpoint_and_conversations_spread(arm: ArmEndpoints) -> None:
    places = [arm.pick(conversation(number)) for number in range(300)]
    assert places == [arm.pick(conversation(number)) for number in range(300)]
    assert min(Counter(places).values()) > 60
    assert len(set(places)) == 3


def test_only_the_conversations_of_a_lost_endpoint_move(arm: ArmEndpoints) -> None:
    before = [arm.pick(conversation(number)) for number in range(300)]
    eject(arm.endpoints[0])
    after = [arm.pick(conversation(number)) for number in range(300)]
    moved = {was for was, now in zip(before, after, strict=True) if was is not now}
    assert moved == {arm.endpoints[0]}


def test_an_overloaded_endpoint_lets_its_conversations_go_to_one_other(arm: ArmEndpoints) -> None:
    home = arm.pick(conversation(1))
    assert home is not None
    for each in arm.endpoints:
        each.in_flight = 10
    home.in_flight = 24  # the bound is 1.5 * 44 / 3 + 4 = 26
    assert arm.pick(conversation(1)) is home
    home.in_flight = 40  # 1.5 * 60 / 3 + 4 = 34
    spill = arm.pick(conversation(1))
    assert spill is not home
    assert spill is arm.pick(conversation(1))


def test_it_never_picks_what_is_to_be_avoided(arm: ArmEndpoints, its_meters: Meters, clock: ManualClock) -> None:
    avoid = arm.endpoints[1]
    assert avoid not in {arm.pick(affinity, avoid) for affinity in (None, *map(conversation, range(50)))}
    single = of(1, its_meters, clock)
    assert single.pick(None, single.endpoints[0]) is None
    assert single.pick(None) is single.endpoints[0]


def test_an_ejected_endpoint_comes_back_by_one_trial(arm: ArmEndpoints, clock: ManualClock) -> None:
    bad = arm.endpoints[0]
    eject(bad)
    assert bad not in {arm.pick(None) for _ in range(10)}
    clock.advance(1.0)
    bad.in_flight = -1  # the least busy: picked whenever it may be
    assert [arm.pick(None) is bad for _ in range(4)] == [True, False, False, False]
    clock.advance(TRIAL)
    assert arm.pick(None) is bad, "the trial that nobody reported on lapsed"
    bad.succeeded()
    assert [arm.pick(None) is bad for _ in range(3)] == [True, True, True]


def test_an_arm_whose_endpoints_all_fail_is_tried_all_the_same(arm: ArmEndpoints) -> None:
    for each in arm.endpoints:
        eject(each, "timeout")
    assert arm.pick(None) is not None


def test_an_arm_that_refuses_connections_is_down_at_once_and_tried_once_a_second(
    arm: ArmEndpoints, clock: ManualClock
) -> None:
    for each in arm.endpoints:
        eject(each, "refused")
    assert arm.pick(None) is None
    assert arm.pick(conversation(1)) is None
    clock.advance(1.0)
    assert [arm.pick(None) is None for _ in range(4)] == [False, False, False, True]


def test_a_single_endpoint_that_refuses_is_down_then_back(its_meters: Meters, clock: ManualClock) -> None:
    single = of(1, its_meters, clock)
    only = single.endpoints[0]
    eject(only, "upstream_refused")
    assert single.pick(None) is None
    clock.advance(1.0)
    assert single.pick(None) is only
    assert single.pick(None) is None
    only.succeeded()
    assert single.pick(None) is only


def test_a_reachable_but_failing_endpoint_is_the_last_resort_not_a_refusing_one(arm: ArmEndpoints) -> None:
    eject(arm.endpoints[0], "refused")
    eject(arm.endpoints[1], "malformed")
    eject(arm.endpoints[2], "refused")
    assert {arm.pick(None) for _ in range(5)} == {arm.endpoints[1]}


def test_status_gives_reason_and_return_time(arm: ArmEndpoints, clock: ManualClock) -> None:
    eject(arm.endpoints[0], "reset")
    status = arm.status().endpoints
    assert (status[0].healthy, status[0].ejected_for) == (False, "reset")
    assert status[0].returns_at_us == clock.now_us() + 1_000_000
    assert (status[1].healthy, status[1].ejected_for, status[1].returns_at_us) == (True, "", None)


def test_errors_are_counted_by_kind(arm: ArmEndpoints, its_meters: Meters) -> None:
    arm.endpoints[0].failed("upstream_reset")
    arm.endpoints[1].failed("reset")
    arm.endpoints[1].failed("timeout")
    assert its_meters.counter(UPSTREAM_ERRORS, "assistant", "stable", "reset").value == 2
    assert its_meters.counter(UPSTREAM_ERRORS, "assistant", "stable", "timeout").value == 1


def test_find(arm: ArmEndpoints) -> None:
    assert arm.find("http://10.0.0.2:8000") is arm.endpoints[1]
    assert arm.find("http://10.0.0.9:8000") is None
