"""G2: the whole engine under ramps and drift, with users who differ and return, repeated and late verdicts."""

import os
from collections.abc import Iterator
from multiprocessing import Pool

import msgspec

from gateway.rollout.plan import Plan, parse
from gateway.rollout.simulate import Run, Simulation
from gateway.rollout.world import World
from tests.statistics.table import Row, share

_HOUR = 3600.0
PLAN = parse(
    {
        "preset": "balanced",
        "stages": [1, 5, 10, 25, 50],
        "dwell": _HOUR,
        "period": _HOUR,
        "minimum_units": 1,
        "holdout_dwell": _HOUR,
        "harm_budget": 0,
        "redeal": 6 * _HOUR,
        "guardrails": [
            {"metric": "harm", "margin": 0.03, "weight": 5, "promotes": True},
            {"metric": "honesty", "margin": 0.03},
            {"metric": "helpfulness", "margin": 0.03},
            {"metric": "over_refusal", "margin": 0.03, "weight": 1.5},
            {"metric": "errors", "margin": 0.03, "weight": 1.5},
        ],
    }
)
"""The balanced plan's guardrails and stages in hours, with margins that so little traffic can show."""
WORLD = World(
    per_day=4_000,
    users=400,
    fresh=0.2,
    differ=1.5,
    drift=0.5,
    drift_period=12 * _HOUR,
    suspended=((4 * _HOUR, 5 * _HOUR), (9 * _HOUR, 10 * _HOUR)),
    repeated=0.05,
    late=0.05,
)
_DAYS = 1.0


def rolled_back(task: tuple[float, int]) -> bool:
    """Whether an equal canary was called worse."""
    rate, seed = task
    return _run(PLAN, msgspec.structs.replace(WORLD, rate=rate), seed).status == "rolled_back"


def promoted(task: tuple[float, int]) -> bool:
    """Whether a canary that is worse by just the margin was called no worse."""
    rate, seed = task
    worse = {"harm": (rate + PLAN.guardrails[0].margin) / rate}
    lenient = msgspec.structs.replace(PLAN, alpha=1e-9, alarm_alpha=1e-9)  # nothing but "no worse" is to speak
    return _run(lenient, msgspec.structs.replace(WORLD, rate=rate, ratios=worse), seed).promoted is not None


def measure(runs: int, seed: int) -> Iterator[Row]:
    """`runs` for each row."""
    with Pool(os.cpu_count()) as pool:
        for rate in (0.001, 0.01, 0.05):
            tasks = [(rate, seed + number) for number in range(runs)]
            hits = sum(pool.imap_unordered(rolled_back, tasks, chunksize=8))
            yield share(f"G2 false rollbacks under ramps, rate {rate:.1%}", hits, runs, most=PLAN.alpha)
        for rate in (0.01, 0.05):
            tasks = [(rate, seed + number) for number in range(runs)]
            hits = sum(pool.imap_unordered(promoted, tasks, chunksize=8))
            name = f"G2 false promotions under ramps, rate {rate:.0%} and {PLAN.guardrails[0].margin:.0%} more"
            yield share(name, hits, runs, most=PLAN.promotion_alpha)


def _run(plan: Plan, world: World, seed: int) -> Run:
    return Simulation(plan, world, seed).run(_DAYS)
