"""What a plan would take: against simulation where there is a formula, and in words where it can't be done."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout.betting import PRIOR, no_worse_factors
from gateway.rollout.budget import Exposure, chance_of_use
from gateway.rollout.outlook import outlook
from gateway.rollout.plan import DAY, PRESETS, parse
from gateway.rollout.proof import periods_to_prove
from gateway.rollout.traffic import Traffic

BUSY = Traffic(100_000 / DAY, ((3600, 4_000), (DAY, 20_000), (7 * DAY, 60_000)))
QUIET = Traffic(0.01, ((3600, 5), (DAY, 40), (7 * DAY, 40)))


class TestTraffic:
    @given(st.lists(st.tuples(st.floats(1, 1e6), st.integers(0, 10**6)), min_size=1, max_size=5), st.floats(0, 2e6))
    def test_seconds_and_units_are_each_others_reverse(
        self, steps: list[tuple[float, int]], seconds: float
    ) -> None:
        times, units = np.cumsum([step for step, _ in steps]), np.cumsum([unit for _, unit in steps])
        traffic = Traffic(1.0, tuple(zip(times.tolist(), units.tolist(), strict=True)))
        seen = traffic.units(seconds)
        back = traffic.seconds(seen)
        assert back is not None
        assert traffic.units(back) == pytest.approx(seen, rel=1e-6, abs=1e-6)

    def test_users_who_all_come_back_never_become_more(self) -> None:
        assert QUIET.seconds(41) is None
        assert QUIET.seconds(40) == DAY

    def test_exchanges_of_one_unit(self) -> None:
        assert BUSY.exchanges_in(DAY) == 5
        assert Traffic(0.0, ()).exchanges_in(DAY) == 1


@pytest.mark.parametrize(("rate", "margin", "rho"), [(0.05, 0.04, 0.5), (0.02, 0.03, 0.2)])
def test_the_time_to_a_proof_is_what_simulation_finds(rate: float, margin: float, rho: float) -> None:
    told = periods_to_prove(rate, margin, rho, 0.05)
    random = np.random.default_rng(5)
    runs, most = 300, int(6 * told)
    canary = random.random((runs, most)) < rho
    violated = random.random((runs, most)) < rate
    outcome, base, edge = np.array([0.0, 1.0]), np.full(2, rate), np.full(2, margin)
    factors = np.stack([np.log(no_worse_factors(arm, rho, outcome, base, edge)) for arm in (False, True)])
    wealth = np.zeros((runs, most))
    for place in np.flatnonzero(PRIOR):
        steps = factors[canary.astype(int), violated.astype(int), place]
        wealth += PRIOR[place] * np.exp(np.cumsum(steps, axis=1))
    crossed = wealth >= 20
    times = np.where(crossed.any(axis=1), crossed.argmax(axis=1), inf)
    assert 0.67 < told / float(np.median(times)) < 1.5


def test_the_proofs_of_statistics_md_take_as_long_as_it_says() -> None:
    assert periods_to_prove(0.01, 0.005, 0.5, 0.05) == pytest.approx(10_500, rel=0.25)
    assert periods_to_prove(0.01, 0.005, 0.1, 0.05) == pytest.approx(42_000, rel=0.25)


def test_a_healthy_canary_seldom_uses_its_budget_and_a_tiny_budget_often() -> None:
    stages = [Exposure(90_000, 10_000), Exposure(50_000, 50_000)]
    assert chance_of_use(0.0, stages, 5, 1) == 0.0
    assert chance_of_use(0.001, stages, 50, 1) < 0.01
    often = chance_of_use(0.001, stages, 5, 1)
    assert 0.2 < often < 0.9
    assert chance_of_use(0.001, stages, 5, 1) == often
    assert chance_of_use(0.001, stages, 0, 1) == 0.0, "0: no bound"


class TestOutlook:
    @pytest.mark.parametrize("name", PRESETS)
    def test_a_busy_model_can_finish_every_preset(self, name: str) -> None:
        plan = PRESETS[name]
        found = outlook(plan, BUSY, {"harm": 0.01, "over_refusal": 0.01, "errors": 0.001})
        assert found.why_not == ""
        assert found.expected is not None
        assert found.least <= found.expected <= plan.max_duration
        assert [each.percent for each in found.stages] == [*plan.stages, plan.holdout]
        assert found.notes[0].endswith("honesty, helpfulness")

    def test_where_units_do_not_suffice_it_says_which_stage(self) -> None:
        found = outlook(parse({"preset": "balanced", "redeal": 0}), QUIET, {})
        assert found.expected is None
        assert "stage 1 (1 %) needs 1,000 units" in found.why_not

    def test_dealing_anew_lets_few_users_count_again_and_again(self) -> None:
        plan = parse({"preset": "fast", "minimum_units": 4})
        once, again = (
            outlook(each, QUIET, {}).stages[0].seconds
            for each in (parse({"preset": "fast", "minimum_units": 4, "redeal": 0}), plan)
        )
        assert once is None
        assert again == pytest.approx(2 * DAY + plan.period, rel=0.01), "80 units, 40 of them a day"

    def test_without_traffic_nothing_is_promised(self) -> None:
        found = outlook(PRESETS["fast"], None, {})
        assert (found.expected, found.budget_chance) == (None, None)
        assert "no traffic" in found.why_not

    def test_what_takes_too_long_names_the_longest_stage(self) -> None:
        plan = parse({"preset": "balanced", "max_duration": 3 * DAY})
        assert "max_duration is 3" in outlook(plan, BUSY, {"harm": 0.05}).why_not

    def test_a_plain_comparison_takes_its_time(self) -> None:
        found = outlook(parse("compare"), BUSY, {})
        assert (found.expected, found.why_not, len(found.stages)) == (30 * DAY, "", 1)

    def test_people_and_hours_are_not_counted_but_told(self) -> None:
        plan = parse({"preset": "fast", "approval": [25], "advance_hours": [8, 18]})
        notes = " ".join(outlook(plan, BUSY, {}).notes)
        assert "8 to 18 h UTC" in notes
        assert "25 %" in notes

    def test_a_budget_that_the_noise_of_a_later_stage_fills_is_named_beforehand(self) -> None:
        known = {"harm": 0.015, "over_refusal": 0.01, "errors": 0.001}
        steady = Traffic(100_000 / DAY, ((DAY / 2, 18_000), (DAY, 20_000), (7 * DAY, 20_000)))
        tight = outlook(parse({"preset": "cautious", "harm_budget": 300}), steady, known)
        assert tight.expected is None
        assert "room in the harm budget" in tight.why_not
        assert outlook(PRESETS["cautious"], steady, known).why_not == ""
        never = outlook(parse({"preset": "cautious", "harm_budget": 1e-9}), steady, known)
        assert never.why_not == "stage 1 (1 %) can never have what it needs: room in the harm budget"
        assert outlook(parse({"preset": "cautious", "harm_budget": 0}), steady, known).why_not == ""
