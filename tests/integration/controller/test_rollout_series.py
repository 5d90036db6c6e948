"""What /metrics says of a rollout is what it stands at, while it goes on and after its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.controller.rollouts import Order
from gateway.rollout.evidence import Evidence
from gateway.rollout.plan import parse
from gateway.rollout.summary import stated
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Children
from tests.integration.controller.test_rollouts import ApiSite
from tests.support.plans import QUICK
from tests.support.rollouts import MODEL

PLAN = parse({**QUICK, "harm_budget": 1e6})
TRIAL = (MODEL, "canary")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ApiSite]:
    made = ApiSite(tmp_path)
    yield made
    made.controller.close()


def shown(site: ApiSite, metric: metrics.Metric) -> Children:
    return site.controller.exposition.totals()[metric.name]


def value(site: ApiSite, metric: metrics.Metric, *labels: str) -> float:
    return shown(site, metric)[TRIAL + labels][0]


def state(site: ApiSite) -> str:
    (now,) = (labels[2] for labels, (is_it,) in shown(site, metrics.ROLLOUT_STATE).items() if is_it)
    return now


def agrees(site: ApiSite) -> None:
    """Every number is that of its evidence as it stands; a decision states what it was made from, and what was open
    then was counted with it.
    """
    kept = site.rollouts.last(MODEL)
    assert kept is not None
    said = stated(kept.terms.plan, kept.state, Evidence.of(kept.terms.plan, kept.state.book))
    assert value(site, metrics.EVIDENCE, "all", "worse") == said.mean
    assert value(site, metrics.EVIDENCE_NEEDED, "all", "worse") == said.needs
    assert value(site, metrics.EVIDENCE, "all", "alarm") == said.alarm
    assert value(site, metrics.EVIDENCE_NEEDED, "all", "alarm") == said.alarm_needs
    assert value(site, metrics.SAMPLE_RATIO) == said.mismatch
    assert value(site, metrics.BUDGET_USED) == said.budget_spent / said.budget
    units = shown(site, metrics.ROLLOUT_UNITS)
    assert (units[MODEL, "stable"][0], units[MODEL, "canary"][0]) == said.units
    assert {labels[2] for labels in shown(site, metrics.DIFFERENCE)} == {row.guardrail for row in said.rows}
    for row in said.rows:
        for hypothesis, evidence in (("worse", row.worse), ("alarm", row.alarm), ("no_worse", row.no_worse)):
            assert value(site, metrics.EVIDENCE, row.guardrail, hypothesis) == evidence
        assert value(site, metrics.DIFFERENCE, row.guardrail, "low") == row.low
        assert value(site, metrics.DIFFERENCE, row.guardrail, "high") == row.high
        for arm, rates in (("stable", row.stable), ("canary", row.canary)):
            estimate = shown(site, metrics.ESTIMATE)
            found = [estimate[MODEL, arm, row.guardrail, bound][0] for bound in ("mean", "low", "high")]
            assert found == [rates.mean, rates.low, rates.high]
        needs = (*TRIAL, row.guardrail, "no_worse") in shown(site, metrics.EVIDENCE_NEEDED)
        assert needs == row.promotes


def test_no_rollout_no_series(site: ApiSite) -> None:
    for metric in (metrics.ROLLOUT_STATE, metrics.EVIDENCE, metrics.ESTIMATE, metrics.BUDGET_USED):
        assert not shown(site, metric)


def test_what_it_stands_at_is_shown_and_stays(site: ApiSite) -> None:
    site.start(PLAN)
    assert state(site) == "running"
    assert not shown(site, metrics.ESTIMATE), "nobody's period has closed"
    site.run(25)
    assert value(site, metrics.EVIDENCE, "harm", "no_worse") != 0
    site.traffic.canary = 0.4
    while site.status() in ("running", "frozen"):
        site.step()
    assert state(site) == "rolled_back"
    last = site.decisions()[-1]
    assert last.kind == "roll_back"
    assert last.evidence is not None
    assert value(site, metrics.EVIDENCE, "all", "worse") == last.evidence.mean
    assert value(site, metrics.EVIDENCE, "all", "alarm") == last.evidence.alarm
    agrees(site)
    now = site.controller.clock.now_us() / 1e6
    assert value(site, metrics.ROLLOUT_DECIDED, "roll_back", "tipstaff") == pytest.approx(now, abs=1), (
        "by the wall clock"
    )
    site.run(5)
    agrees(site)


def test_the_next_rollout_takes_its_place(site: ApiSite) -> None:
    site.start()
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    assert state(site) == "rolled_back"
    site.start(again=True)
    assert state(site) == "running"
    site.rollouts.command(MODEL, "suspend", "ann", "a complaint")
    assert state(site) == "suspended"
    assert value(site, metrics.ROLLOUT_DECIDED, "suspend", "operator") > 0
    assert value(site, metrics.ROLLOUT_DECIDED, "start", "operator") > 0, "the last of each kind"


def test_another_controller_shows_the_same_of_what_has_ended(site: ApiSite) -> None:
    site.start()
    site.run(25)
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    before = site.controller.exposition.totals()
    site.rollouts.load()
    assert site.controller.exposition.totals() == before


def test_a_drill_says_that_it_is_one_and_goes_after_an_hour(site: ApiSite) -> None:
    site.start()
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    assert value(site, metrics.ROLLOUT_DRILL) == 0
    real = shown(site, metrics.ROLLOUT_DECIDED)
    order = Order(
        model=MODEL, stable="stable", canary="canary", plan=parse(QUICK), actor="ann", reason="to see it", drill=0.5
    )
    site.rollouts.start(order)
    assert (value(site, metrics.ROLLOUT_DRILL), state(site)) == (1, "running")
    site.run(60)
    assert (value(site, metrics.ROLLOUT_DRILL), state(site)) == (1, "rolled_back")
    site.controller.clock.advance(3601)
    assert value(site, metrics.ROLLOUT_DRILL) == 0
    assert shown(site, metrics.ROLLOUT_DECIDED) == real


def test_where_another_decides_rollouts_of_ones_own_are_not_shown(
    site: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.start()
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    assert shown(site, metrics.ROLLOUT_STATE)
    monkeypatch.setattr(type(site.controller.tables), "elsewhere", "another gateway", raising=False)
    assert not shown(site, metrics.ROLLOUT_STATE)
    assert not shown(site, metrics.EVIDENCE)
