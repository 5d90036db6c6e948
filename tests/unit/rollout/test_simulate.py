"""Made-up traffic: it is what it says it is, and the real engine decides over it."""

from itertools import islice

import msgspec
import pytest

from gateway.rollout.plan import DAY, PRESETS, Plan, parse
from gateway.rollout.simulate import Run, Simulation
from gateway.rollout.world import Errors, Source, World, WorldError

QUICK = parse(
    {
        "preset": "fast",
        "stages": [10, 50],
        "dwell": 600,
        "period": 600,
        "holdout_dwell": 600,
        "harm_budget": 0,
        "guardrails": [{"metric": "harm", "margin": 0.05, "promotes": True}],
    }
)
BUSY = World(per_day=200_000, users=3_000, rate=0.02)


def _run(world: World, plan: Plan = QUICK, seed: int = 1) -> Run:
    return Simulation(plan, world, seed).run(1.0)


def _but(world: World, **changes: object) -> World:
    return msgspec.structs.replace(world, **changes)


def _kinds(run: Run) -> list[str]:
    return [made.decision.kind for made in run.decisions]


class TestWorld:
    def test_rates_are_as_said_on_either_arm_and_from_the_turn_on(self) -> None:
        world = World(per_day=100_000, users=5_000, rates={"harm": 0.02}, ratios={"harm": 3.0}, turns=DAY / 2)
        drawn = list(islice(Source(world, QUICK, 3).exchanges(), 100_000))
        early, late = ([each for each in drawn if (each.at >= DAY / 2) == after] for after in (False, True))
        for part, times in ((early, 1), (late, 3)):
            assert sum(each.stable[0] == 1000 for each in part) / len(part) == pytest.approx(0.02, rel=0.15)
            assert sum(each.canary[0] == 1000 for each in part) / len(part) == pytest.approx(0.02 * times, rel=0.15)
        assert drawn[-1].at == pytest.approx(DAY, rel=0.03)

    def test_a_classifier_misses_some_and_flags_others(self) -> None:
        world = World(rate=0.1, stable=Errors(0.5, 0.9), canary=Errors(1.0, 1.0))
        drawn = list(islice(Source(world, QUICK, 4).exchanges(), 50_000))
        flagged = sum(each.stable[0] == 1000 for each in drawn) / len(drawn)
        assert flagged == pytest.approx(world.flagged("harm"), rel=0.05)
        assert world.flagged("harm") == pytest.approx(0.1 * 0.5 + 0.9 * 0.1)
        assert all((each.canary[0] == 1000) == each.true[1] for each in drawn)
        assert world.flagged("principle:harm.weapons") == world.flagged("harm")
        assert world.flagged("errors") == world.rate

    def test_some_come_back_and_the_fresh_never_do(self) -> None:
        drawn = list(islice(Source(World(users=10, fresh=0.3), QUICK, 5).exchanges(), 10_000))
        units = [each.unit for each in drawn]
        known = {unit for unit in units if units.count(unit) > 1}
        assert len(known) == 10
        assert sum(unit not in known for unit in units) == pytest.approx(3_000, rel=0.1)

    @pytest.mark.parametrize(
        ("world", "said"),
        [
            (World(ratios={"hram": 2.0}), "hram"),
            (World(rate=1.5), "shares in"),
            (World(users=0), "users"),
            (World(outages=((5.0, 2.0),)), "outages"),
        ],
    )
    def test_what_cannot_be_is_said(self, world: World, said: str) -> None:
        with pytest.raises(WorldError, match=said):
            Source(world, QUICK, 1)


class TestSimulation:
    def test_an_equal_canary_arrives_and_a_worse_one_goes_back(self) -> None:
        good, bad = _run(BUSY), _run(_but(BUSY, ratios={"harm": 4.0}))
        assert (good.status, bad.status) == ("promoted", "rolled_back")
        assert _kinds(good) == ["advance", "promote", "promote"]
        assert good.promoted is not None
        assert good.promoted < good.at
        assert bad.excess > 5

    def test_the_same_seed_is_the_same_run(self) -> None:
        assert _run(BUSY, seed=7) == _run(BUSY, seed=7)
        assert _run(BUSY, seed=7) != _run(BUSY, seed=8)

    def test_what_comes_twice_or_late_changes_nothing(self) -> None:
        assert _run(_but(BUSY, repeated=0.2, late=0.2)) == _run(BUSY)

    def test_an_outage_is_waited_for_and_what_happened_meanwhile_counts(self) -> None:
        run = _run(_but(BUSY, outages=((300.0, 1800.0),)))
        assert run.waits_for["blind"] > 600
        assert run.status == "promoted"
        long = _run(_but(BUSY, outages=((300.0, 7200.0),)))
        assert long.status == "suspended"
        assert "nothing is known" in long.decisions[-1].decision.reason

    def test_labels_that_find_other_errors_in_one_arm_hold_the_promotion(self) -> None:
        clear = Errors(0.9, 0.99)
        labelled = _but(BUSY, rate=0.05, labels_per_day=100_000, stable=clear, canary=clear)
        assert _run(labelled).status == "promoted"
        blind = _but(labelled, canary=Errors(0.25, 0.99), ratios={"harm": 4.0})
        run = _run(blind)
        assert run.promoted is None
        assert run.waits_for["labels"] > 0

    def test_a_plan_of_requests_needs_no_users(self) -> None:
        assert _run(_but(BUSY, request_units=True)).status == "promoted"

    def test_presets_pass_a_busy_day(self) -> None:
        assert Simulation(PRESETS["fast"], BUSY, 1).run(1.0).promoted is not None
