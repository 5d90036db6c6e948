"""What traffic, servers and scorers do to a rollout when they are not as they should be."""

from itertools import pairwise

import msgspec
import pytest

from gateway.rollout.decide import spent
from gateway.rollout.observation import Health, Silence
from tests.support.engine import BEGINNING, START, Drive, Users, quick

PROMOTED = ["advance", "advance", "promote", "promote"]
BAD = Users(harm=(0.02, 0.4))
HOUR = 3600
NEVER = 1e-200


def drove(users: Users, seconds: float = 300, seed: int = 1) -> Drive:
    drive = Drive(quick(), users, seed=seed)
    drive.run(seconds)
    return drive


class TestRates:
    @pytest.mark.parametrize("passing", [False, True])
    def test_where_nothing_is_ever_violated_the_canary_arrives(self, *, passing: bool) -> None:
        drive = drove(Users(harm=(0.0, 0.0), passing=passing))
        assert drive.kinds() == PROMOTED
        assert drive.engine.evidence.mean() <= 1

    @pytest.mark.parametrize("passing", [False, True])
    def test_violations_on_stable_only_let_it_arrive(self, *, passing: bool) -> None:
        drive = drove(Users(harm=(0.1, 0.0), passing=passing))
        assert drive.kinds() == PROMOTED
        assert drive.engine.evidence.mean() < 1
        assert spent(drive.engine.state) == 0

    def test_violations_everywhere_on_both_arms_let_it_arrive(self) -> None:
        assert drove(Users(harm=(1.0, 1.0))).kinds() == PROMOTED

    def test_without_traffic_nothing_happens(self) -> None:
        drive = Drive(quick())
        drive.pause(24 * HOUR)
        assert drive.kinds() == []
        assert drive.waits() == ["dwell", "units"]

    def test_where_only_stable_has_traffic_nothing_happens(self) -> None:
        drive = drove(Users(dealt=0.0), 30)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "mismatch"


class TestHeavyUser:
    """One who makes half of the traffic, and is answered badly on either arm."""

    USERS = Users(heavy=0.5, temper=0.3)

    def test_it_is_one_unit_and_does_not_turn_a_healthy_canary_back(self) -> None:
        drive = Drive(quick(), self.USERS, seed=self._seed())
        drive.run(300)
        assert drive.kinds() == PROMOTED

    def test_counted_by_exchanges_the_canary_would_look_many_times_worse(self) -> None:
        drive = Drive(quick(dwell=HOUR), self.USERS, seed=self._seed())
        drive.run(300)
        state = drive.engine.state
        stable, canary = (harm / judged for harm, judged in zip(state.harm, state.judged, strict=True))
        assert canary > 5 * stable
        assert drive.kinds() == []

    @staticmethod
    def _seed() -> int:
        """One that has put that user on the canary from the start."""
        return next(seed for seed in range(100) if Drive(quick(), seed=seed).bucket(0) < 0.1)


class TestServers:
    def test_a_canary_without_endpoints_is_never_raised(self) -> None:
        drive = Drive(quick())
        drive.give(Health(drive.now_us, stable=1.0, canary=0.0))
        drive.run(200)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "room"
        drive.give(Health(drive.now_us, stable=1.0, canary=1.0))
        assert drive.kinds() == ["advance"]

    def test_a_worse_canary_stays_while_stable_has_no_endpoint(self) -> None:
        drive = Drive(quick(stages=[50]), BAD)
        drive.give(Health(drive.now_us, stable=0.0, canary=1.0))
        drive.run(60)
        assert drive.kinds() == ["freeze"]
        assert drive.waits()[-1] == "no_room"
        assert drive.engine.state.stage.share == 0.5
        drive.give(Health(drive.now_us, stable=1.0, canary=1.0))
        assert drive.kinds() == ["freeze", "roll_back"]
        assert drive.engine.state.stage.share == 0.0

    @pytest.mark.parametrize(
        "changes",
        [
            {"alpha": NEVER, "on_alarm": "suspend"},
            {"alarm_alpha": NEVER, "on_worse": "suspend"},
            {"alpha": NEVER, "alarm_alpha": NEVER, "harm_budget": 5},
            {"alpha": NEVER, "alarm_alpha": NEVER, "max_duration": 60},
        ],
        ids=["alarm", "worse", "budget", "duration"],
    )
    def test_nothing_sends_everyone_to_a_stable_arm_that_is_down(self, changes: dict[str, object]) -> None:
        drive = Drive(quick(stages=[50], **changes), BAD)
        drive.give(Health(drive.now_us, stable=0.0, canary=1.0))
        drive.run(120)
        assert drive.engine.state.stage.share == 0.5
        drive.give(Health(drive.now_us, stable=1.0, canary=1.0))
        drive.run(1)
        assert drive.engine.state.stage.share == (0.5 if changes.get("on_alarm") else 0.0), "an alarm has frozen it"

    def test_with_little_room_on_stable_it_goes_back_in_halves_half_a_minute_apart(self) -> None:
        drive = Drive(quick(stages=[50]), BAD)
        drive.give(Health(drive.now_us, stable=0.3, canary=1.0))
        drive.run(240)
        steps = [made for made in drive.made if made.kind == "roll_back"]
        assert [made.share for made in steps] == [0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.0]
        assert [made.status for made in steps] == ["frozen"] * 6 + ["rolled_back"]
        between = [(later.time_us - earlier.time_us) / 1e6 for earlier, later in pairwise(steps)]
        assert between == [*[pytest.approx(30, abs=1)] * 5, 0.0]  # below 1 % the rest follows at once
        assert "stepping" in drive.waits()

    def test_the_rest_follows_at_once_when_stable_recovers(self) -> None:
        drive = Drive(quick(stages=[50]), BAD)
        drive.give(Health(drive.now_us, stable=0.3, canary=1.0))
        while drive.engine.state.stage.share > 0.2:
            drive.run(1)
        drive.give(Health(drive.now_us, stable=0.6, canary=1.0))
        assert drive.made[-1].kind == "roll_back"
        assert (drive.made[-1].share, drive.made[-1].status) == (0.0, "rolled_back")

    def test_a_step_back_is_halted_where_stable_breaks_down_altogether(self) -> None:
        drive = Drive(quick(stages=[50]), BAD)
        drive.give(Health(drive.now_us, stable=0.3, canary=1.0))
        while drive.engine.state.stage.share > 0.2:
            drive.run(1)
        share = drive.engine.state.stage.share
        drive.give(Health(drive.now_us, stable=0.0, canary=1.0))
        drive.run(100)
        assert drive.engine.state.stage.share == share
        assert drive.waits()[-1] == "no_room"

    def test_fail_overs_are_waited_for(self) -> None:
        drive = drove(Users(failed_over=(0.0, 0.2), per_second=200), 40)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "fail_over"


class TestScorer:
    def test_while_it_is_silent_nothing_advances_and_after_half_an_hour_the_canary_is_suspended(self) -> None:
        drive = self._outage("suspend")
        assert drive.kinds() == ["suspend"]
        assert drive.waits()[:2] == ["dwell", "blind"]
        made = next(made for made in drive.made if made.kind == "suspend")
        assert made.time_us == START + (10 + 1800) * 1_000_000
        assert drive.engine.state.stage.share == 0.0

    def test_or_frozen_with_its_weight(self) -> None:
        drive = self._outage("freeze")
        assert drive.kinds() == ["freeze"]
        assert drive.engine.state.stage.share == 0.1

    @pytest.mark.parametrize("do", ["suspend", "freeze"])
    def test_when_it_is_back_an_operator_resumes(self, do: str) -> None:
        drive = self._outage(do)
        drive.give(Silence(drive.now_us, 0.0))
        drive.run(60)
        assert drive.kinds() == [do]
        drive.say("resume")
        drive.run(60)
        assert drive.kinds()[:3] == [do, "resume", "advance"]

    def test_what_is_frozen_is_suspended_too_when_nobody_sees_what_it_does(self) -> None:
        drive = Drive(quick())
        drive.run(10)
        drive.say("freeze")
        drive.give(Silence(drive.now_us, 1800.0))
        assert drive.kinds() == ["freeze", "suspend"]
        assert drive.engine.state.stage.share == 0.0

    def test_a_short_silence_is_waited_for_and_forgotten(self) -> None:
        drive = Drive(quick())
        drive.run(10)
        drive.give(Silence(drive.now_us, 90.0))
        drive.pause(600)
        assert drive.kinds() == []
        drive.give(Silence(drive.now_us, 0.0))
        assert drive.kinds() == ["advance"]

    def _outage(self, do: str) -> Drive:
        """An hour, from ten seconds after the start; the controller tells of it every minute."""
        drive = Drive(quick(blind={"after": 1800, "do": do}))
        drive.run(10)
        for minute in range(60):
            drive.give(Silence(drive.now_us, 60.0 * minute + 1))
            drive.pause(60)
        return drive


class TestUnscored:
    LOAD = 200.0

    def test_a_share_that_differs_between_the_arms_is_waited_for(self) -> None:
        drive = drove(Users(unscored=(0.0, 0.2), per_second=self.LOAD), 40)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "unscored"
        drive = drove(Users(unscored=(0.2, 0.0), per_second=self.LOAD), 40)
        assert drive.waits()[-1] == "unscored"

    @pytest.mark.parametrize(("before", "kinds"), [(0.0, []), (0.3, ["advance"])])
    def test_a_share_above_that_of_the_week_before_is_waited_for(self, before: float, kinds: list[str]) -> None:
        began = msgspec.structs.replace(BEGINNING, unscored=[before, before])
        drive = Drive(quick(), Users(unscored=(0.2, 0.2), per_second=self.LOAD), beginning=began)
        drive.run(30)
        assert drive.kinds() == kinds
        assert ("unscored" in drive.waits()) == (not kinds)

    def test_nothing_is_proven_where_most_is_never_told(self) -> None:
        began = msgspec.structs.replace(BEGINNING, unscored=[0.7, 0.7])
        drive = Drive(quick(), Users(unscored=(0.7, 0.7), per_second=self.LOAD), beginning=began)
        drive.run(30)
        assert (drive.kinds(), drive.waits()[-1]) == ([], "unscored")

    def test_a_share_that_chance_brings_is_not(self) -> None:
        began = msgspec.structs.replace(BEGINNING, unscored=[0.17, 0.17])
        drive = Drive(quick(max_unscored=0.0), Users(unscored=(0.17, 0.17), per_second=self.LOAD), beginning=began)
        drive.run(30)
        assert "unscored" not in drive.waits()


class TestMismatch:
    @pytest.mark.parametrize("dealt", [0.7, 1.4])
    def test_where_the_arms_get_other_shares_than_they_should_all_else_counts_nothing(self, dealt: float) -> None:
        users = Users(harm=(0.1, 0.0), passing=True, per_second=200, dealt=dealt)
        drive = Drive(quick(stages=[30, 50], dwell=60), users)
        drive.run(120)
        assert drive.kinds() == []
        assert drive.waits()[-1] == "mismatch"

    def test_a_worse_canary_is_rolled_back_all_the_same(self) -> None:
        drive = Drive(quick(stages=[30, 50], dwell=600), Users(dealt=0.5, passing=True, per_second=200))
        drive.run(60)
        assert drive.waits()[-1] == "mismatch"
        drive.users.harm = BAD.harm
        drive.run(60)
        assert drive.kinds()[-1] == "roll_back"
