"""What a decision says of its evidence: the guardrail that speaks loudest, by which test, on what counts."""

import re

import msgspec
import pytest

from gateway.core.evidence import FirstViolations
from gateway.rollout import grounds
from gateway.rollout.evidence import Evidence
from gateway.rollout.state import decode, encode
from gateway.rollout.summary import stated
from gateway.rollout.wording import e_value, e_value_of, spelled
from tests.support.engine import Drive, Users, quick

BAD = Users(harm=(0.02, 0.4))
NEVER = 1e-200
MINUTE = 40.5
"""From the start until just after a whole minute: the second stage has begun."""


def test_first_violations_are_counted_by_arm_and_stage() -> None:
    drive = Drive(quick(minimum_units=0))
    drive.see(drive.seen(1, canary=False, violates=True))
    drive.see(drive.seen(2, canary=True, violates=True))
    drive.see(drive.seen(2, canary=True, violates=True))
    share = drive.engine.state.stage.share
    assert drive.engine.evidence.firsts(0) == (FirstViolations(0, 0, 0.0), FirstViolations(1, 1, 2 * share))
    drive.pause(MINUTE)
    assert drive.engine.state.stage.index == 1
    drive.see(drive.seen(3, canary=True, violates=True))
    firsts = drive.engine.evidence.firsts(0)
    assert firsts is not None
    before, now = firsts
    assert before == FirstViolations(1, 1, 2 * share)
    assert now == FirstViolations(0, 1, drive.engine.state.stage.share)
    drive.pause(60)
    said = msgspec.json.encode(drive.engine.evidence.firsts(0))
    decoded = msgspec.json.decode(said, type=tuple[FirstViolations, FirstViolations])
    assert msgspec.json.encode(decoded) == said, "a decision's hash is over its bytes"
    assert drive.engine.evidence.firsts(1) == (FirstViolations(0, 0, 0.0),) * 2, "nothing of the other guardrail"


def test_the_alarm_names_its_guardrail_and_its_counts() -> None:
    drive = Drive(quick(alpha=NEVER), BAD)
    drive.run(100)
    frozen = next(made for made in drive.made if made.kind == "freeze")
    said = r"fast alarm on harm: alarm E (\S+), 20 was needed; in this stage (\d+) of (\d+) first violations were"
    found = re.match(said + r" the canary's \((\S+) if it were equal\)", frozen.reason)
    assert found, frozen.reason
    canary, told, due = int(found[2]), int(found[3]), float(found[4])
    assert 0 < due < canary <= told
    assert float(found[1]) >= 20


def test_a_rollback_says_which_test_it_mostly_rests_on() -> None:
    drive = Drive(quick(), BAD)
    drive.run(100)
    reason = drive.made[-1].reason
    assert reason.startswith("the canary is worse, mostly in harm: rollback E ")
    assert " first violations were the canary's (" in reason
    harm = {"metric": "harm", "margin": 0.05, "promotes": True, "ratio": 0}
    drive = Drive(quick(guardrails=[harm, {"metric": "errors", "margin": 0.05}]), BAD)
    drive.run(100)
    said = re.search(r"mostly in harm: .*; (\S+)% of it on the canary, (\S+)% on stable$", drive.made[-1].reason)
    assert said, drive.made[-1].reason
    assert float(said[1]) > float(said[2])


def test_what_each_part_adds_makes_the_mean() -> None:
    drive = Drive(quick(alpha=NEVER), BAD)
    drive.run(60)
    evidence = drive.engine.evidence
    assert evidence.parts().sum() == pytest.approx(evidence.mean())
    assert evidence.alarm_parts().sum() == pytest.approx(evidence.alarm_mean())


def test_no_worse_is_said_with_what_it_needs() -> None:
    drive = Drive(quick(promotion_alpha=1e-4))
    drive.run(1000)
    waited = next(made.reason for made in drive.made if made.waits_for == "proof")
    named = r"harm \(E [\d.<,]+\), errors \(E [\d.<,]+\)"
    said = rf'"no worse" is not shown yet for {named}; each needs 10,000, counted anew in this stage'
    assert re.fullmatch(said, waited), waited
    held_out, everyone = (made.reason for made in drive.made if made.kind == "promote")
    assert re.match(
        r'"no worse" was shown for harm, errors \(E [\d.,e]+ at the least; 10,000 was needed\); 5 %', held_out
    )
    assert everyone.startswith('after "no worse" was shown, nothing shows it to be worse (rollback E ')


def test_where_no_worse_is_asked_is_the_last_stage_at_the_latest() -> None:
    drive = Drive(quick(stages=[10, 30], prove_from=50))
    drive.run(60)
    said = next(made.reason for made in drive.made if made.kind == "advance")
    assert said.endswith('"no worse" is asked from 30 % on')


def test_the_counts_are_kept_with_the_state() -> None:
    drive = Drive(quick(alpha=NEVER), BAD)
    drive.run(60)
    state = decode(encode(drive.engine.sync()))
    again = Evidence.of(drive.plan, state.book)
    assert again.firsts(0) == drive.engine.evidence.firsts(0)
    assert again.stored().firsts == state.book.firsts


def test_a_rollout_from_before_they_were_counted_has_none_and_says_so_by_silence() -> None:
    drive = Drive(quick(alpha=NEVER), BAD)
    drive.run(60)
    state = drive.engine.sync()
    state.book.firsts = None
    old = Evidence.of(drive.plan, decode(encode(state)).book)
    old.violation([0], 0.1, canary=True)
    old.enter(1)
    assert (old.firsts(0), old.stored().firsts) == (None, None)
    assert grounds.alarmed(drive.plan, old) == ("harm", "first violations come too often")
    assert b"firsts" not in msgspec.json.encode(stated(drive.plan, state, old)), "its hashes hold"


ROUNDED = {
    0.0: "<0.01",
    0.004: "<0.01",
    0.942: "0.94",
    9.99: "9.99",
    9.996: "10",
    24.84: "24.8",
    999.7: "1,000",
    15_849.0: "15,849",
    1e5: "1.0e5",
    328_552_402.0: "3.3e8",
    9.97e12: "1.0e13",
}


@pytest.mark.parametrize(("value", "said"), ROUNDED.items())
def test_e_values_are_rounded_alike_everywhere(value: float, said: str) -> None:
    assert e_value(value) == said
    assert len(said) <= 6


def test_an_e_value_may_be_larger_than_any_number() -> None:
    assert e_value_of(412.3) == "2e412"
    assert e_value_of(4.99999999) == "1.0e5"


@pytest.mark.parametrize(("seconds", "said"), [(30.0, "30 s"), (90.0, "1.5 min"), (43_200.0, "12 h")])
def test_spans_of_a_plan(seconds: float, said: str) -> None:
    assert spelled(seconds) == said
