"""G8: how long a healthy canary takes from the start until it is promoted, preset by preset."""

import os
from collections.abc import Iterator
from itertools import product
from multiprocessing import Pool

import numpy as np

from gateway.rollout.plan import DAY, PRESETS
from gateway.rollout.simulate import Run, Simulation
from gateway.rollout.world import Errors, World
from tests.statistics.table import Row, share

ERRORS = Errors(sensitivity=0.70, specificity=0.992)
"""The shipped classifier's own, on exchanges that no training saw (docs/encoder.md)."""
DAYS = 14.0
_PER_DAY = (1_000.0, 10_000.0, 100_000.0)
_USERS = (200, 2_000, 20_000)
_RATES = (0.001, 0.01)


def cells() -> Iterator[tuple[str, float, int, float]]:
    """(preset, requests a day, users, base rate)."""
    yield from product(PRESETS, _PER_DAY, _USERS, _RATES)


def world(per_day: float, users: int, rate: float) -> World:
    """Users who return and differ; a rate that swings by a fifth within a week."""
    return World(
        per_day=per_day,
        users=users,
        rate=rate,
        rates={"errors": 0.001},
        drift=0.2,
        stable=ERRORS,
        canary=ERRORS,
    )


def one(task: tuple[str, float, int, float, int]) -> Run:
    """One rollout."""
    preset, per_day, users, rate, seed = task
    return Simulation(PRESETS[preset], world(per_day, users, rate), seed).run(DAYS)


def measure(runs: int, seed: int) -> Iterator[Row]:
    """`runs` for each row with a target, a fifth of that for the others."""
    with Pool(os.cpu_count()) as pool:
        for preset, per_day, users, rate in cells():
            required = 0.9 if users == _USERS[-1] and rate == _RATES[-1] else None
            count = runs if required else max(runs // 5, 10)
            tasks = [(preset, per_day, users, rate, seed + number) for number in range(count)]
            ended = pool.map(one, tasks, chunksize=1)
            times = [np.inf if run.promoted is None else run.promoted / DAY for run in ended]
            arrived = sum(np.isfinite(times))
            median, late = np.quantile(times, [0.5, 0.9], method="inverted_cdf")
            where = f"{preset}, {per_day:,.0f} requests a day, {users:,} users, rate {rate:.1%}"
            said = f"G8 {where}: promoted within 14 days (median {_days(median)}, p90 {_days(late)})"
            yield share(said, int(arrived), count, least=required)


def _days(value: float) -> str:
    return f"{value:.1f} days" if np.isfinite(value) else "later"
