"""The rules: what a plan's keys do, what holds a canary back, and what ends a rollout."""

from gateway.rollout.decide import holds, spent
from gateway.rollout.decision import Decision
from gateway.rollout.observation import Health, Labels
from gateway.rollout.plan import Plan, parse
from tests.support.engine import Drive, Users, quick

BAD = Users(harm=(0.02, 0.4))
NEVER = 1e-200
"""An alpha that no test of seconds gets to."""


def ran(plan: Plan, users: Users | None = None, seconds: float = 100, seed: int = 1) -> Drive:
    drive = Drive(plan, users, seed=seed)
    drive.run(seconds)
    return drive


def last(drive: Drive) -> Decision:
    return [made for made in drive.made if made.kind != "wait"][-1]


class TestWorse:
    def test_the_mean_rolls_back_to_nothing(self) -> None:
        drive = ran(quick(), BAD)
        assert drive.kinds()[-1] == "roll_back"
        assert (last(drive).share, last(drive).status) == (0.0, "rolled_back")
        assert drive.engine.evidence.mean() >= 1 / drive.plan.alpha

    def test_a_plan_may_say_suspend(self) -> None:
        drive = ran(quick(on_worse="suspend"), BAD)
        assert (last(drive).kind, last(drive).share) == ("suspend", 0.0)
        assert "worse" in last(drive).reason
        assert drive.waits()[-1] == "operator"
        drive.say("resume")
        drive.run(60)
        assert (drive.engine.state.status, drive.engine.state.stage.share > 0) == ("running", True)
        assert drive.waits()[-1] == "leaning", "it was told, and goes no further"

    def test_a_guardrail_without_weight_never_rolls_back(self) -> None:
        errors = {"metric": "errors", "margin": 0.05, "weight": 0}
        plan = quick(guardrails=[{"metric": "harm", "margin": 0.05, "promotes": True}, errors])
        drive = ran(plan, Users(errors=(0.02, 0.5)), 200)
        assert drive.engine.state.status == "promoted"


class TestAlarm:
    def test_it_freezes_with_the_weight_kept_and_names_the_exchange(self) -> None:
        drive = ran(quick(alpha=NEVER), BAD)
        assert drive.kinds()[-1] == "freeze"
        made = last(drive)
        assert made.status == "frozen"
        assert made.share == drive.engine.state.stage.share > 0
        crossed = next(each for each in drive.events if getattr(each, "exchange_id", "") == made.exchanges[0])
        assert crossed.time_us == made.time_us

    def test_a_frozen_rollout_goes_on_counting_and_is_rolled_back(self) -> None:
        drive = ran(quick(), BAD)
        assert drive.kinds()[-2:] == ["freeze", "roll_back"]

    def test_a_frozen_rollout_does_not_advance(self) -> None:
        drive = ran(quick(alpha=NEVER), BAD)
        drive.users = Users(harm=(0.0, 0.0))
        drive.run(300)
        assert last(drive).kind == "freeze"
        assert drive.waits()[-1] == "operator"

    def test_it_suspends_where_the_plan_says_so(self) -> None:
        drive = ran(quick(alpha=NEVER, on_alarm="suspend"), BAD)
        assert (last(drive).kind, last(drive).share, last(drive).status) == ("suspend", 0.0, "suspended")
        counted = list(drive.engine.state.units)
        drive.run(30)
        assert drive.engine.state.units == counted

    def test_once_answered_it_does_not_freeze_again_and_still_counts_in_the_mean(self) -> None:
        drive = ran(quick(alpha=NEVER), BAD)
        drive.say("resume")
        drive.run(30)
        evidence = drive.engine.evidence
        assert evidence.alarm_mean() > 1 / drive.plan.alarm_alpha
        assert drive.kinds().count("freeze") == 1
        assert drive.engine.state.status == "running"
        assert evidence.mean() > max(evidence.tests.bounded()[: len(drive.plan.guardrails)])

    def test_once_answered_it_does_not_hold_the_canary_either(self) -> None:
        drive = ran(quick(alpha=NEVER), BAD)
        drive.users = Users(harm=(0.0, 0.0))
        drive.say("resume")
        drive.run(60)
        assert drive.engine.evidence.alarm_mean() > 1 / drive.plan.alarm_alpha
        assert "leaning" not in [each.code for each in holds(drive.plan, drive.engine.state, drive.engine.evidence)]


class TestEnds:
    def test_the_harm_budget_stops_without_a_verdict(self) -> None:
        plan = quick(harm_budget=5, alpha=NEVER, alarm_alpha=NEVER)
        drive = ran(plan, BAD)
        assert (last(drive).kind, last(drive).status, last(drive).share) == ("stop", "stopped", 0.0)
        assert "no verdict" in last(drive).reason
        assert spent(drive.engine.state) >= 5

    def test_it_counts_all_exchanges_where_only_violations_can_be_told(self) -> None:
        state = ran(quick(), Users(harm=(0.02, 0.4)), 5).engine.state
        state.harm, state.exchanges, state.judged = [1000, 90_000], [200, 150], [1, 90]
        assert spent(state) == 90 - 150 / 200

    def test_what_stable_would_have_cost_too_is_not_spent(self) -> None:
        drive = ran(quick(harm_budget=60, dwell=200), Users(harm=(0.3, 0.3)), 150)
        assert drive.engine.state.harm[1] > 100_000
        assert spent(drive.engine.state) < 60
        assert drive.kinds() == []

    def test_a_stage_that_could_use_up_the_rest_of_the_budget_is_not_entered(self) -> None:
        clean = Users(harm=(0.0, 0.0))
        held = ran(quick(harm_budget=3), clean, 30)
        assert spent(held.engine.state) == 0
        assert held.kinds() == []
        assert held.waits()[-1] == "budget"
        assert ran(quick(harm_budget=5000), clean, 30).kinds() == ["advance"]

    def test_max_duration_stops_what_nothing_was_proven_of(self) -> None:
        drive = ran(quick(max_duration=100, minimum_units=10_000), None, 102)
        assert drive.kinds() == ["stop"]
        assert last(drive).time_us - drive.engine.state.started_us <= 101_000_000
        assert (last(drive).status, last(drive).share) == ("stopped", 0.0)

    def test_max_duration_does_not_take_back_what_was_proven(self) -> None:
        drive = ran(quick(max_duration=160, holdout_dwell=200), Users(harm=(0.0, 0.0)), 150)
        assert drive.engine.state.status == "holdout"
        drive.run(100)
        assert "stop" not in drive.kinds()

    def test_the_holdout_is_foreseen_for_as_long_as_it_lasts(self) -> None:
        assert "budget" not in ran(quick(harm_budget=120), None, 150).waits()
        drive = ran(quick(harm_budget=120, holdout_dwell=20_000), None, 150)
        assert (drive.engine.state.stage.index, drive.waits()[-1]) == (2, "budget")

    def test_max_duration_ends_one_that_was_suspended_and_forgotten(self) -> None:
        drive = ran(quick(max_duration=100, minimum_units=10_000), None, 10)
        drive.say("suspend")
        drive.run(80)
        assert drive.kinds() == ["suspend"]
        drive.run(15)
        assert drive.kinds() == ["suspend", "stop"]

    def test_an_ended_rollout_counts_nothing_more(self) -> None:
        drive = ran(quick(), BAD)
        before = drive.engine.sync().units
        drive.run(30)
        assert drive.kinds()[-1] == "roll_back"
        assert drive.engine.state.units == before


class TestHeldBack:
    def test_a_stage_that_needs_a_person_waits_for_one(self) -> None:
        drive = ran(quick(approval=[30]))
        assert drive.kinds() == []
        assert drive.waits()[-1] == "approval"
        drive.say("approve")
        drive.run(2)
        assert drive.kinds() == ["approve", "advance"]

    def test_an_approval_is_for_one_stage(self) -> None:
        drive = ran(quick(approval=[30, 50], dwell=5), None, 30)
        drive.say("approve")
        drive.run(30)
        assert drive.kinds() == ["approve", "advance"]
        assert drive.waits()[-1] == "approval"

    def test_it_is_raised_only_in_the_hours_of_the_plan(self) -> None:
        drive = ran(quick(advance_hours=[0, 22]))  # it is a quarter past ten in the evening
        assert drive.kinds() == []
        assert drive.waits()[-1] == "hours"
        drive.pause(2 * 3600)
        assert drive.kinds() == ["advance"]
        assert drive.made[-2].time_us % 86_400_000_000 == 0

    def test_the_hours_hold_the_last_step_too(self) -> None:
        drive = ran(quick(holdout_dwell=3 * 3600, advance_hours=[22, 23]), Users(harm=(0.0, 0.0)), 150)
        assert drive.engine.state.status == "holdout"
        drive.pause(4 * 3600)
        assert (drive.engine.state.status, drive.waits()[-1]) == ("holdout", "hours")

    def test_going_back_is_allowed_at_any_hour(self) -> None:
        assert ran(quick(advance_hours=[0, 22]), BAD).kinds()[-1] == "roll_back"

    def test_dwell_and_units_are_waited_for_and_a_wait_is_written_once(self) -> None:
        drive = ran(quick(minimum_units=120), None, 35)
        assert drive.waits() == ["dwell", "units"]
        drive.run(20)
        assert drive.kinds() == ["advance"]

    def test_no_worse_is_asked_from_the_stage_that_the_plan_names(self) -> None:
        eager = ran(quick(minimum_units=0, dwell=1, period=1), Users(per_second=2), 10)
        assert eager.kinds() == ["advance", "advance"]  # to 50 %, on next to nothing
        early = ran(quick(minimum_units=0, dwell=1, period=1, prove_from=10), Users(per_second=2), 10)
        assert early.kinds() == []
        assert early.waits()[-1] == "proof"

    def test_no_worse_is_asked_anew_of_the_stage_that_proves(self) -> None:
        drive = Drive(quick(prove_from=30))
        while drive.engine.state.stage.index < 2:
            drive.run(1)
        assert not drive.engine.evidence.unproven() or drive.engine.state.stage.closed == [0, 0]
        drive.run(2)
        assert drive.engine.evidence.unproven() == [0, 1]

    def test_an_arm_whose_server_is_another_one_now_is_not_raised(self) -> None:
        drive = Drive(quick())
        drive.give(Health(drive.now_us, 1.0, 1.0, changed="canary"))
        drive.run(100)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "changed"

    def test_a_long_stage_is_dealt_anew_so_that_known_units_bet_again(self) -> None:
        few = Users(count=300, harm=(0.02, 0.02))
        drive = ran(quick(redeal=60, minimum_units=10_000), few, 130)
        state = drive.engine.state
        assert drive.kinds() == ["redeal", "redeal"]
        assert state.salt == 3
        assert state.stage.index == 0
        assert sum(state.stage.closed) == 2 * 299
        assert sum(state.stage.exchanges) == 40 * 130
        assert state.stage.began_us == state.started_us
        still = ran(quick(minimum_units=10_000), few, 130)
        assert sum(still.engine.state.stage.closed) == 299

    def test_what_is_proven_so_far_goes_on_when_it_is_dealt_anew(self) -> None:
        drive = Drive(quick(stages=[50], redeal=30, promotion_alpha=NEVER))
        while not drive.made or drive.made[-1].kind != "redeal":
            drive.run(1)
        assert drive.engine.evidence.tests.log2()[len(drive.plan.guardrails) + 2] > 2

    def test_what_waits_for_anything_but_proof_is_not_dealt_anew(self) -> None:
        assert ran(quick(redeal=30, dwell=1000), None, 130).kinds() == []


class TestLabels:
    def test_they_hold_a_promotion_that_everything_else_allows(self) -> None:
        drive = Drive(quick())
        drive.give(Labels(drive.now_us, 400, "by people's labels the canary violates more", "more"))
        drive.run(300)
        assert drive.kinds() == ["advance", "advance"]
        assert drive.engine.evidence.unproven() == []
        assert drive.waits()[-1] == "labels"
        drive.give(Labels(drive.now_us, 900, "", "no more than on stable"))
        drive.run(60)
        assert drive.kinds()[2:] == ["promote", "promote"]

    def test_they_never_cause_one(self) -> None:
        with_them, without = Drive(quick(), seed=3), Drive(quick(), seed=3)
        with_them.give(Labels(with_them.now_us, 5000, "", "there is nothing to say against it"))
        for each in (with_them, without):
            each.run(300)
        told, silent = (
            [(made.time_us, made.kind) for made in each.made if made.kind != "wait"]
            for each in (with_them, without)
        )
        assert told == silent
        assert [kind for _, kind in told] == ["advance", "advance", "promote", "promote"]
        few = Drive(quick(), Users(per_second=2))
        few.give(Labels(few.now_us, 5000, "", "there is nothing to say against it"))
        few.run(100)
        assert "promote" not in few.kinds()
        assert few.waits()[-1] == "proof"

    def test_they_do_not_keep_a_worse_one_either(self) -> None:
        drive = Drive(quick(), BAD)
        drive.give(Labels(drive.now_us, 5000, "", "there is nothing to say against it"))
        drive.run(100)
        assert drive.kinds()[-1] == "roll_back"


class TestCompare:
    PLAN = parse(
        {
            "preset": "compare",
            "period": 10,
            "max_duration": 120,
            "harm_budget": 0,
            "guardrails": [
                {"metric": "harm", "margin": 0.05, "weight": 1},
                {"metric": "errors", "margin": 0.05, "weight": 5},
            ],
        }
    )

    def test_it_keeps_its_weights_until_its_time_is_over_and_promotes_nobody(self) -> None:
        drive = ran(self.PLAN, None, 110)
        assert drive.kinds() == []
        assert drive.waits() == ["comparing"]
        assert drive.engine.state.stage.share == 0.5
        drive.run(15)
        assert drive.kinds() == ["finish"]
        assert (last(drive).share, last(drive).status) == (0.0, "finished")

    def test_its_end_waits_for_a_stable_arm_that_can_answer(self) -> None:
        drive = ran(self.PLAN, None, 110)
        drive.give(Health(drive.now_us, 0.0, 1.0))
        drive.run(15)
        assert (drive.kinds(), drive.waits()[-1]) == ([], "no_room")
        drive.give(Health(drive.now_us, 1.0, 1.0))
        drive.run(2)
        assert drive.kinds() == ["finish"]

    def test_harm_alone_rolls_back(self) -> None:
        broken = ran(self.PLAN, Users(errors=(0.02, 0.5)), 110)
        assert broken.engine.evidence.mean() > 1 / self.PLAN.alpha
        assert broken.kinds() == []
        assert ran(self.PLAN, BAD, 110).kinds() == ["roll_back"]


def test_everything_that_holds_it_is_shown_the_gravest_first() -> None:
    drive = Drive(quick(approval=[30], minimum_units=10_000))
    drive.run(5)
    drive.give(Health(drive.now_us, 1.0, 0.0))
    found = [each.code for each in holds(drive.plan, drive.engine.state, drive.engine.evidence)]
    assert found == ["room", "dwell", "units", "approval"]
