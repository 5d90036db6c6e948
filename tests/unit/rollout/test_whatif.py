"""Another plan over a record: it says when it would have spoken, and from where on it cannot know."""

import msgspec
import pytest

from gateway.rollout.plan import Plan, parse
from gateway.rollout.whatif import Saying, StageChange, what_if
from tests.support.engine import BEGINNING, START
from tests.unit.rollout.record import PLAN, Live


def changes(live: Live) -> list[StageChange]:
    made: list[StageChange] = []
    for each in live.recorded:
        dealt = each.kind == "start" or (each.kind == "promote" and each.share < 1)
        if dealt or each.share != made[-1].share:
            made.append(StageChange(each.time_us, each.share, each.version, dealt, each.actor != "tipstaff"))
    return made


def other(**keys: object) -> Plan:
    return parse({**msgspec.to_builtins(PLAN), **keys})


def sayings(live: Live, plan: Plan) -> list[Saying]:
    return list(what_if(plan, BEGINNING, live.observations, live.inputs, changes(live), live.end()))


def kinds(found: list[Saying]) -> list[str]:
    return [each.kind for each in found]


@pytest.fixture(scope="module")
def healthy() -> Live:
    live = Live()
    live.run(300)
    return live


def test_the_same_plan_says_what_was_decided(healthy: Live) -> None:
    found = sayings(healthy, PLAN)
    recorded = [each for each in healthy.recorded if each.kind not in ("wait", "start")]
    assert [(each.kind, each.time_us, each.share) for each in found] == [
        (each.kind, each.time_us, each.share) for each in recorded
    ]
    assert not any(each.parted for each in found)
    evidence = recorded[-1].evidence
    assert evidence is not None
    assert found[-1].evidence.units == evidence.units


def test_one_that_holds_longer_would_have_advanced_later_and_says_so(healthy: Live) -> None:
    found = sayings(healthy, other(dwell=25))
    assert found[0].parted  # the recorded raise came first: its own would have been later
    assert found[0].time_us > healthy.recorded[1].time_us


def test_one_that_is_quicker_parts_at_its_first_word(healthy: Live) -> None:
    first, *rest = sayings(healthy, other(dwell=10))
    assert (first.kind, first.parted) == ("advance", False)
    assert first.time_us < next(each.time_us for each in healthy.recorded if each.kind == "advance")
    assert all(each.parted for each in rest)


def test_a_stricter_alarm_stays_silent_where_the_recorded_one_spoke() -> None:
    live = Live()
    live.run(25)
    live.bad = 0.4
    live.run(60)
    found = sayings(live, other(alarm_alpha=1e-12, alpha=1e-12))
    assert not {"freeze", "roll_back"} & set(kinds(found))
    told = sayings(live, PLAN)
    assert kinds(told) == ["advance", "freeze", "roll_back"]
    last = live.recorded[-1]
    assert (told[-1].time_us, told[-1].share, told[-1].parted) == (last.time_us, 0.0, False)


def test_what_operators_did_is_no_parting() -> None:
    live = Live()
    live.run(10)
    live.say("suspend")
    live.run(10)
    live.say("resume")
    live.run(300)
    found = sayings(live, PLAN)
    assert "promote" in kinds(found)
    assert not found[0].parted


def test_a_plan_without_a_recorded_stage_still_reads_the_evidence() -> None:
    """Only weights are known: 10 % for long, of a canary that is bad."""
    live = Live(plan=other(dwell=1000.0, alpha=1e-300, alarm_alpha=1e-300), bad=0.3)
    live.run(60)
    given = (live.observations, (), [StageChange(START, 0.1, (1, 100), new_salt=True)], live.end())
    found = list(what_if(other(dwell=1000.0), BEGINNING, *given))
    assert kinds(found) == ["freeze", "roll_back"]


def test_nothing_is_said_of_nothing() -> None:
    first = StageChange(START, 0.1, (1, 1), new_salt=True)
    assert list(what_if(PLAN, BEGINNING, [], (), [first], START + 5_000_000)) == []
