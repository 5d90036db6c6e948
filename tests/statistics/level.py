"""The level alarm: how long until it is raised for nothing, and how soon for something."""

import numpy as np

from gateway.rollout.level import level_alarm, observe
from tests.statistics.table import Row, mean, plain

_BUDGET = 0.01
_MOST = 20
"""Run lengths after which a run is ended and counted as that long."""


def run_length(rate: float, length: float, random: np.random.Generator) -> int:
    """Outcomes until the alarm, at most 20 run lengths."""
    alarm = level_alarm(_BUDGET, length)
    most = int(_MOST * length)
    for number, outcome in enumerate(random.random(most) < rate, start=1):
        if observe(alarm, float(outcome)):
            return number
    return most


def delay(rate: float, length: float, random: np.random.Generator, before: int = 2000) -> int:
    """Outcomes until the alarm after the rate rose from half of its budget; false alarms before are passed over."""
    alarm = level_alarm(_BUDGET, length)
    for outcome in random.random(before) < _BUDGET / 2:
        observe(alarm, float(outcome))
    number = 0
    while True:
        number += 1
        if observe(alarm, float(random.random() < rate)):
            return number


def measure(runs: int, seed: int) -> list[Row]:
    """Budget 1 %. `runs` for each row."""
    random = np.random.default_rng(seed)
    lengths = [run_length(_BUDGET, 1000.0, random) for _ in range(runs)]
    return [
        mean("outcomes to a false alarm, 1,000 stated", lengths, least=1000.0),
        *(
            plain(
                f"median outcomes to the alarm, rate x{times:g} of the budget, 100,000 stated",
                float(np.median([delay(times * _BUDGET, 1e5, random) for _ in range(runs)])),
                runs,
            )
            for times in (2.0, 4.0, 10.0)
        ),
    ]
