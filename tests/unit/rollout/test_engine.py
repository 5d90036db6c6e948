"""What single events do: which units bet, when, with what propensity, and what is passed over."""

import msgspec
import pytest

from gateway.rollout.observation import Report, Reports
from gateway.rollout.state import encode
from tests.support.engine import Drive, Users, quick

PLAN = quick(minimum_units=0)
"""A stage ends after its twenty seconds, whoever came; where nobody does, at the next whole minute."""
MINUTE = 40.5
"""From the start until just after a whole minute."""
ANN, BEN = 1, 2


def overlap(drive: Drive) -> float:
    """The sum of rho (1 - rho) over everybody who has bet."""
    return drive.engine.sync().book.overlap


def bet(rho: float) -> float:
    return rho * (1 - rho)


def worse_and_no_worse(drive: Drive) -> tuple[float, float]:
    """E-values of the first guardrail, as logarithms."""
    values = drive.engine.evidence.tests.log2()
    return values[0], values[len(drive.plan.guardrails) + 2]


def reported(drive: Drive, unit: bytes, *, canary: bool) -> Reports:
    return Reports(drive.now_us, (Report("x", unit, canary, 0, 1000),))


@pytest.fixture
def drive() -> Drive:
    """Ann was on stable at 10 %, Ben on the canary; their periods have ended, their stage has not."""
    made = Drive(PLAN)
    made.see(made.seen(ANN, canary=False))
    made.see(made.seen(BEN, canary=True))
    made.pause(11)
    assert made.engine.state.stage.closed == [1, 1]
    assert overlap(made) == pytest.approx(2 * bet(0.1))
    return made


class TestUnits:
    def test_a_unit_bets_once_in_a_stage(self) -> None:
        drive = Drive(quick(dwell=600))
        for _ in range(4):
            drive.see(drive.seen(ANN, canary=False, violates=True))
            drive.see(drive.seen(BEN, canary=True, violates=True))
            drive.pause(11)
        assert drive.engine.state.stage.closed == [1, 1]
        assert overlap(drive) == pytest.approx(2 * bet(0.1))

    def test_after_a_raise_only_who_may_be_moved_bets_again_and_with_what_is_known(self, drive: Drive) -> None:
        drive.pause(MINUTE - 11)
        assert drive.engine.state.stage.share == 0.3
        before = overlap(drive)
        drive.see(drive.seen(ANN, canary=True))
        drive.see(drive.seen(BEN, canary=True))
        drive.pause(10.5)
        assert drive.engine.state.stage.closed == [0, 1]
        assert overlap(drive) - before == pytest.approx(bet((0.3 - 0.1) / 0.9))

    def test_a_unit_seen_for_the_first_time_after_a_raise_bets_at_the_whole_share(self, drive: Drive) -> None:
        drive.pause(MINUTE - 11)
        before = overlap(drive)
        drive.see(drive.seen(3, canary=False))
        drive.pause(10.5)
        assert overlap(drive) - before == pytest.approx(bet(0.3))

    def test_where_the_weight_goes_back_and_returns_nobody_known_bets(self, drive: Drive) -> None:
        before = overlap(drive)
        drive.say("suspend")
        drive.pause(5)
        drive.say("resume")
        for _ in range(3):
            drive.see(drive.seen(ANN, canary=False, violates=True))
            drive.see(drive.seen(BEN, canary=True, violates=True))
        drive.pause(10.5)
        assert drive.engine.state.stage.closed == [0, 0]
        assert overlap(drive) == before

    def test_a_later_raise_is_a_bet_again_for_who_may_be_moved(self, drive: Drive) -> None:
        drive.say("suspend")
        drive.say("resume")
        drive.pause(MINUTE - 11)
        assert drive.engine.state.stage.share == 0.3
        before = overlap(drive)
        drive.see(drive.seen(ANN, canary=False))
        drive.see(drive.seen(BEN, canary=True))
        drive.pause(10.5)
        assert drive.engine.state.stage.closed == [1, 0]
        assert overlap(drive) - before == pytest.approx(bet(2 / 9))

    def test_a_new_salt_knows_nobody(self) -> None:
        drive = Drive(quick(redeal=15, minimum_units=1000, dwell=5))
        drive.see(drive.seen(ANN, canary=False))
        drive.pause(MINUTE)
        assert drive.kinds() == ["redeal"]
        assert drive.engine.state.units == [0, 0]
        before = overlap(drive)
        drive.see(drive.seen(ANN, canary=True))
        drive.pause(10.5)
        assert drive.engine.state.units == [0, 1]
        assert drive.engine.state.stage.closed == [1, 1]
        assert overlap(drive) - before == pytest.approx(bet(0.1))

    def test_what_a_unit_was_like_on_stable_is_known_under_a_new_salt_too(self) -> None:
        drive = Drive(quick(redeal=15, minimum_units=1000, dwell=5))
        drive.see(drive.seen(ANN, canary=False, violates=True))
        drive.pause(MINUTE)
        assert drive.kinds() == ["redeal"]
        drive.see(drive.seen(ANN, canary=True))
        row = drive.units.get(ANN.to_bytes(16, "big"))
        assert row is not None
        assert (row.salt, list(row.own)) == (2, [250, 0])

    def test_units_that_are_requests_leave_no_rows(self) -> None:
        drive = Drive(quick(dwell=600), Users(passing=True, harm=(0.1, 0.1)))
        drive.run(30)
        assert len(drive.units) == 0
        assert sum(drive.engine.state.units) == 30 * 40


class TestPeriods:
    def test_one_that_an_advance_ends_counts_in_both_tests(self) -> None:
        drive = Drive(PLAN)
        drive.pause(35)
        drive.see(drive.seen(BEN, canary=True, violates=True))
        before = worse_and_no_worse(drive)
        drive.pause(5)
        assert drive.kinds() == ["advance"]
        after = worse_and_no_worse(drive)
        assert after[0] > before[0]
        assert after[1] < before[1]

    @pytest.mark.parametrize("action", ["suspend", "rollback"])
    def test_one_that_anything_else_ends_is_left_out_of_worse(self, action: str) -> None:
        drive = Drive(PLAN)
        drive.see(drive.seen(BEN, canary=True, violates=True))
        before = worse_and_no_worse(drive)
        drive.say(action)  # type: ignore[arg-type] # pytest hands over plain texts
        after = worse_and_no_worse(drive)
        assert after[0] == before[0]
        assert after[1] < before[1]
        assert overlap(drive) == pytest.approx(bet(0.1))

    def test_so_is_one_that_the_harm_budget_ends(self) -> None:
        drive = Drive(quick(harm_budget=3))
        before = worse_and_no_worse(drive)
        for unit in range(3):
            drive.see(drive.seen(unit, canary=True, violates=True))
        drive.pause(1)
        assert drive.kinds() == ["stop"]
        after = worse_and_no_worse(drive)
        assert after[0] == before[0]
        assert after[1] < before[1]

    def test_evidence_moves_when_they_end_and_not_before(self) -> None:
        drive = Drive(PLAN)
        drive.see(drive.seen(BEN, canary=True, violates=True))
        drive.pause(9.9)
        before = worse_and_no_worse(drive)
        assert before == worse_and_no_worse(Drive(PLAN))
        drive.pause(0.1)
        assert worse_and_no_worse(drive)[0] > before[0]

    def test_what_was_not_evaluated_counts_against_no_worse_and_not_for_worse(self) -> None:
        clean, unread = Drive(PLAN), Drive(PLAN, Users(unscored=(1.0, 1.0)))
        clean.see(clean.seen(BEN, canary=True))
        unread.see(unread._observation(BEN, canary=True, outcomes=None))
        for each in (clean, unread):
            each.pause(11)
        assert worse_and_no_worse(clean)[0] == worse_and_no_worse(unread)[0]
        assert worse_and_no_worse(clean)[1] > worse_and_no_worse(unread)[1]

    def test_what_comes_from_another_arm_than_it_opened_on_is_not_in_it(self) -> None:
        drive = Drive(PLAN)
        drive.see(drive.seen(BEN, canary=True))
        drive.see(drive.seen(BEN, canary=False, violates=True))
        drive.pause(11)
        assert drive.engine.evidence.mean_of(0, canary=True).mean == 0.0
        assert drive.engine.state.stage.closed == [0, 1]

    def test_a_report_goes_to_the_open_period_and_into_no_other(self) -> None:
        told, silent = Drive(PLAN), Drive(PLAN)
        for each in (told, silent, told, silent):
            each.see(each.seen(BEN, canary=True))
        unit = BEN.to_bytes(16, "big")
        for canary in (True, False):  # it was not on stable: that one is passed over
            told.give(reported(told, unit, canary=canary))
        for each in (told, silent):
            each.pause(11)
        assert worse_and_no_worse(told)[0] > worse_and_no_worse(silent)[0]
        assert told.engine.evidence.mean_of(0, canary=True).mean == 0.5
        closed = worse_and_no_worse(told)
        told.give(reported(told, unit, canary=True))
        told.pause(5)
        assert worse_and_no_worse(told) == closed


class TestTime:
    def test_what_comes_twice_is_counted_once(self) -> None:
        drive = Drive(PLAN)
        first = drive.seen(BEN, canary=True, violates=True)
        second = drive.seen(ANN, canary=False)
        drive.see(first)
        drive.see(second)
        before = encode(drive.engine.sync())
        for each in (first, second, first):
            drive.see(each)
        assert encode(drive.engine.sync()) == before

    def test_what_comes_after_its_time_has_passed_is_no_evidence(self) -> None:
        drive = Drive(PLAN)
        late = drive.seen(BEN, canary=True, violates=True)
        drive.pause(0.5)
        before = encode(drive.engine.sync())
        drive.see(late)
        assert encode(drive.engine.sync()) == before
        drive.see(drive.seen(BEN, canary=True, violates=True))
        assert drive.engine.state.units == [0, 1]

    def test_a_clock_that_goes_back_moves_nothing(self) -> None:
        drive = Drive(PLAN)
        drive.run(25)
        before, decided = encode(drive.engine.sync()), list(drive.made)
        drive.pause(-3600)
        drive.see(drive.seen(BEN, canary=True, violates=True))
        assert encode(drive.engine.sync()) == before
        assert drive.made == decided

    def test_two_of_one_instant_are_told_apart_by_their_ids(self) -> None:
        drive = Drive(PLAN)
        one = drive.seen(ANN, canary=False)
        drive.see(one)
        for name, units in (("0" * 32, [1, 0]), ("f" * 32, [1, 1])):  # before it, and after it
            drive.see(msgspec.structs.replace(one, exchange_id=name, unit=b"ben", canary=True))
            assert drive.engine.state.units == units


class TestShownOnly:
    def test_what_does_not_count_is_no_evidence_and_costs_no_budget(self) -> None:
        drive = Drive(PLAN)
        before = drive.engine.sync().book
        for unit in range(50):
            seen = drive.seen(unit, canary=True, violates=True)
            drive.see(msgspec.structs.replace(seen, counts=False))
        state = drive.engine.sync()
        assert (state.units, state.harm, state.stage.exchanges) == ([0, 0], [0, 0], [0, 0])
        assert state.book == before
        assert len(drive.units) == 0


class TestOldTables:
    @pytest.mark.parametrize("passing", [False, True])
    def test_a_verdict_of_the_stage_before_is_no_evidence_of_the_new_one(self, *, passing: bool) -> None:
        drive = Drive(PLAN, Users(passing=passing))
        old = drive.engine.state.stage.version
        drive.pause(MINUTE)
        state = drive.engine.state
        assert state.stage.version > old
        alarm = drive.engine.evidence.alarm_mean()
        for unit in range(10, 60):
            drive.see(drive.seen(unit, canary=True, violates=True, version=old))
        drive.pause(11)
        assert (state.units, state.stage.closed, overlap(drive)) == ([0, 0], [0, 0], 0.0)
        assert drive.engine.evidence.alarm_mean() == alarm
        assert state.harm == [0, 50_000]  # it did happen: the budget knows

    def test_its_violation_neither_opens_a_period_nor_moves_the_alarm_of_a_unit_that_is_known(self) -> None:
        drive = Drive(PLAN)
        old = drive.engine.state.stage.version
        drive.see(drive.seen(BEN, canary=True))
        drive.pause(MINUTE)
        before, alarm = overlap(drive), drive.engine.evidence.alarm_mean()
        drive.see(drive.seen(BEN, canary=True, violates=True, version=old))
        drive.pause(11)
        assert overlap(drive) == before
        assert drive.engine.evidence.alarm_mean() == alarm

    def test_until_a_new_table_is_in_force_nothing_is_evidence(self) -> None:
        drive = Drive(PLAN)
        drive.pause(MINUTE)
        state = drive.engine.state
        before = drive.engine.state.stage.version
        state.stage.version = (1, 1000)  # decided, not in force yet
        drive.see(drive.seen(BEN, canary=True, version=before))
        assert state.units == [0, 0]
