"""What the index knows of a model before a rollout: its traffic, stable's rates, what was not evaluated."""

import pytest

from classifiers.verdict import Finding, Severity, Verdict
from gateway.controller.traffic import TrafficReader
from gateway.rollout.plan import PRESETS
from tests.unit.controller.conftest import Controller, shipped
from tests.unit.controller.support import HOUR, START, entries, finding, upheld, verdict_event


def scored(number: int, *, violates: bool) -> Verdict:
    findings = tuple(
        finding(each.id, Finding.VIOLATES if violates and each.id == "privacy" else Finding.UPHOLDS, Severity.HIGH)
        for each in shipped().principles
        if not (each.tier.value == "honesty" and number % 4 == 0)
    )
    return Verdict(findings, "c0ffee", {"rules": "1"}, refusal=False, over_refusal=False)


def fill(controller: Controller, hours: int, per_hour: int = 200) -> None:
    events = [
        verdict_event(
            number,
            scored(number, violates=number % 50 == 0),
            time_us=START + number * HOUR // per_hour,
            unit=f"user {number % 300}",
        )
        for number in range(hours * per_hour)
    ]
    controller.index.add(entries(events), {})
    controller.clock.advance(hours * 3600.0)


def test_nothing_is_known_of_a_model_without_traffic(controller: Controller) -> None:
    known = TrafficReader(controller.index, shipped(), controller.clock).read("assistant", "stable")
    assert known.traffic is None
    assert known.rates == {}
    assert known.unscored_of(PRESETS["fast"]) == ()


def test_rates_and_windows_are_those_of_the_index(controller: Controller) -> None:
    fill(controller, 3)
    known = TrafficReader(controller.index, shipped(), controller.clock).read("assistant", "stable")
    assert known.traffic is not None
    assert known.traffic.exchanges == pytest.approx(200 / 3600, rel=0.01)
    assert known.traffic.windows == ((3600.0, 200.0), (10800.0, 300.0)), "everybody came back: 300 users in all"
    assert known.rates["harm"] == pytest.approx(0.02, rel=0.01)
    assert known.rates["errors"] == pytest.approx(1 / 600), "none was seen, which is not the same as never"
    harm, honesty, *_ = known.unscored_of(PRESETS["fast"])
    assert (harm, honesty) == (0.0, 0.25)


def test_it_looks_once_a_minute(controller: Controller) -> None:
    reader = TrafficReader(controller.index, shipped(), controller.clock)
    fill(controller, 1)
    first = reader.read("assistant", "stable")
    controller.index.add(entries([verdict_event(9999, upheld())], first=9999), {})
    assert reader.read("assistant", "stable") is first
    controller.clock.advance(61)
    assert reader.read("assistant", "stable") is not first
