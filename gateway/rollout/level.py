"""The level alarm between rollouts: says when a rate has risen above its budget, with no canary to compare with.

An e-detector of the Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo, arXiv 2203.03532). For an outcome x in [0, 1]
and a budget b it bets on x > b: the factor 1 + L (x - b) has a conditional mean of at most 1 as long as that of x
is at most b. For each bet L
M_n = (M_{n-1} + 1) (1 + L (x_n - b)),
and the alarm is raised when the mean of M over the grid of bets reaches the stated run length R. While the rate
keeps to the budget, M_n - n is a supermartingale, so at least R outcomes pass on average until a false alarm.

What an outcome is: a closed unit-hour, that is, what share of one unit's exchanges within one hour violated, told
when the hour is over. Not the single exchange: one user who tries a jailbreak a thousand times would be a thousand
observations, and one person would page the whole team; so a unit counts at most once an hour, however heavy it is.
Not "first violation of a unit per hour" either: a unit that asks more would then have a higher rate by itself, and
a busier week would look like a worse one. Run lengths and budgets are therefore in unit-hours.
"""

import msgspec

from gateway.rollout.intervals import Moments, mean_interval

_RISES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""L: the best bet on a rare rate that has become (1 + L) times its budget."""
_KEPT = 0.9
"""The most of its wealth that one bet may lose."""


class LevelState(msgspec.Struct):
    """One model's alarm for one metric. `budget` in (0, 1): the mean outcome that is not to be exceeded.

    `run_length` above 1: outcomes that pass on average, at least, between false alarms. `sums`: M, one for each
    bet; empty before the first outcome and after an alarm. `seen`: outcomes since then.
    """

    budget: float
    run_length: float
    sums: list[float] = []
    seen: int = 0


def level_alarm(budget: float, run_length: float) -> LevelState:
    """An alarm that has seen nothing. Raises ValueError."""
    if not 0 < budget < 1:
        raise ValueError(f"budget: {budget:g}: expected a mean outcome in (0, 1)")
    if not run_length > 1:
        raise ValueError(f"run_length: {run_length:g}: expected outcomes between false alarms, more than 1")
    return LevelState(budget, run_length)


def earlier_budget(earlier: Moments, tolerance: float, alpha: float = 0.05) -> float:
    """A budget from the outcomes of the weeks before: the upper end of their mean's interval at level `alpha`,
    times 1 + `tolerance`; 1 or more: there is too little to go by.
    """
    return mean_interval(earlier, alpha)[1] * (1.0 + tolerance)


def observe(state: LevelState, outcome: float) -> bool:
    """Takes one outcome in [0, 1] in; True: alarm, and the sums begin anew.

    Only additions and multiplications, so the same bits everywhere. No rescaling is needed: before each step every
    sum is below its number times the run length, after it above 0.1.
    """
    most, above = _KEPT / state.budget, outcome - state.budget
    before = state.sums or [0.0] * len(_RISES)
    sums = [(sum_ + 1.0) * (1.0 + min(rise, most) * above) for sum_, rise in zip(before, _RISES, strict=True)]
    state.seen += 1
    if sum(sums) < state.run_length * len(_RISES):
        state.sums = sums
        return False
    state.sums, state.seen = [], 0
    return True
