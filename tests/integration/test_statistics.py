"""A small draw of `make statistics`: what docs/statistics.md promises, with few runs."""

import numpy as np
import pytest

from gateway.rollout.evidence import Closing, Evidence
from gateway.rollout.observation import SCALE
from gateway.rollout.plan import Guardrail, Plan
from tests.statistics import arrivals, detection, errors, mismatch, ramps
from tests.statistics.many import Many
from tests.statistics.table import Row, markdown, share


def _held(rows: list[Row]) -> None:
    missed = [row for row in rows if row.verdict == "misses"]
    assert not missed, markdown(missed)


def test_runs_side_by_side_are_the_products_own_evidence() -> None:
    plan = Plan(guardrails=(Guardrail(metric="harm", margin=0.01, promotes=True),), compare=True, stages=(10,))
    runs, part = 4, 0.1
    random, many = np.random.default_rng(1), Many(runs, part, 0.01)
    alone = [Evidence(plan) for _ in range(runs)]
    for _ in range(3000):
        canary = random.random(runs) < part
        violated = random.random(runs) < np.where(canary, 0.05, 0.03)
        many.step(canary, violated)
        for evidence, here, hit in zip(alone, canary.tolist(), violated.tolist(), strict=True):
            base = evidence.base
            if hit:
                evidence.violation([0], part, here)
            evidence.close(Closing(here, part, base, b"", 1, [SCALE * hit], [0]))
    worse, _, _, no_worse = np.array([evidence.tests.bounded() for evidence in alone]).T
    assert many.worse() == pytest.approx(worse, rel=1e-12)
    assert many.no_worse() == pytest.approx(no_worse, rel=1e-12)
    assert many.alarm() == pytest.approx([evidence.alarm.bounded()[0] for evidence in alone], rel=1e-12)


def test_an_equal_canary_is_rarely_called_worse_and_a_worse_one_rarely_no_worse() -> None:
    """G1."""
    runs, random = 400, np.random.default_rng(2)
    for rates, place in (((0.02, 0.02), 0), ((0.02, 0.02 + errors.MARGIN), 1)):
        first = errors.crossings(Many(runs, 0.1, errors.MARGIN), rates, 6000, random)
        hits = int(np.isfinite(first[place]).sum())
        _held([share("false", hits, runs, most=errors.ALPHA)])
        assert hits, "in 400 runs some do: otherwise nothing is tested"


def test_ramps_drift_and_users_who_return_change_nothing_about_that() -> None:
    """G2."""
    tasks = [(0.05, seed) for seed in range(60)]
    _held([share("false rollbacks", sum(map(ramps.rolled_back, tasks)), len(tasks), most=ramps.PLAN.alpha)])
    found = sum(map(ramps.promoted, tasks[:30]))
    _held([share("false promotions", found, 30, most=ramps.PLAN.promotion_alpha)])


def test_a_worse_canary_is_found_about_as_soon_as_by_a_fixed_test() -> None:
    """G3."""
    alone, _ = detection.detected(0.05, 2.0, 0.5, 300, np.random.default_rng(3))
    assert 0.5 < float(np.median(alone)) < 1.25
    usual = 684  # by the normal approximation, which holds its level there
    assert detection.fixed_size(0.05, 0.1, 0.5) == pytest.approx(usual, rel=0.02)


def test_wrong_shares_are_found() -> None:
    """G4."""
    _held(list(mismatch.measure(500, 4)))


def test_a_healthy_canary_arrives() -> None:
    """G8."""
    ended = [arrivals.one(("fast", 10_000.0, 20_000, 0.01, seed)) for seed in range(12)]
    assert sum(run.promoted is not None for run in ended) >= 10
