"""What a model's level alarms remember: earlier days, the budgets that they give, and an alarm for each arm.

Time goes by closed hours. In one, each unit has one outcome for each principle on each arm: what share of its
answers that were evaluated violated it (see gateway.rollout.level). Budgets are set when a day begins, from the
days before it, whatever arm they were on: a version that has just taken over is measured by what users had until
then.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from gateway.rollout.intervals import Moments
from gateway.rollout.level import LevelState, earlier_budget, level_alarm, observe

HOUR_US = 3_600_000_000
DAYS = 28
"""Days with traffic that budgets come from, at most."""
LEARNED = 7
"""Days with traffic before a model is watched."""
FALSE_ALARM_DAYS = 100.0
"""At the traffic of the days before, so many pass on average between two false alarms of one model, at least."""
_TOLERANCE = 0.2
"""Part of its usual rate by which a principle may be violated more often without that being an alarm."""
_LATELY = 3
"""Hours over which the rate that an alarm names is taken."""


class Outcome(NamedTuple):
    """Of one unit in one hour on one arm: `share` in [0, 1] of its evaluated answers violated `principle`."""

    arm: str
    principle: str
    share: float


class Sum(msgspec.Struct, array_like=True):
    """Of outcomes: how many, their sum, the sum of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, share: float) -> None:
        """One more."""
        self.count += 1
        self.total += share
        self.squares += share * share


class Alarm(msgspec.Struct):
    """One arm and principle. `raised_us`: when the hour ended that raised it; 0: it is not raised.

    `lately`: hour -> its outcomes, of the last three. `rate`: their mean when it was raised.
    """

    level: LevelState
    raised_us: int = 0
    rate: float = 0.0
    lately: dict[int, Sum] = msgspec.field(default_factory=dict)


class Watch(msgspec.Struct):
    """One model. `hour`: the first that has not been closed. `made_with`: by what its verdicts were made.

    `today`, `earlier`: by principle, over all arms; the newest day last. `alarms`: by arm and principle.
    """

    hour: int
    made_with: str = ""
    day: int = 0
    today: dict[str, Sum] = msgspec.field(default_factory=dict)
    earlier: list[dict[str, Sum]] = msgspec.field(default_factory=list)
    budgets: dict[str, float] = msgspec.field(default_factory=dict)
    run_length: float = 0.0
    alarms: dict[str, dict[str, Alarm]] = msgspec.field(default_factory=dict)


class Raised(NamedTuple):
    """An alarm that was raised just now."""

    arm: str
    principle: str


def close(watch: Watch, outcomes: Iterable[Outcome], arms: int) -> list[Raised]:
    """Takes in all outcomes of `watch.hour`, in the order of the units' first answers; what they raised.

    `arms`: how many can have traffic. An alarm that is raised takes nothing in until it is acknowledged.
    """
    if watch.hour // 24 != watch.day:
        _new_day(watch, arms)
    raised = []
    for arm, principle, share in outcomes:
        watch.today.setdefault(principle, Sum()).add(share)
        alarm = _alarm(watch, arm, principle)
        if alarm is not None and not alarm.raised_us and _observed(alarm, watch.hour, share):
            alarm.raised_us = (watch.hour + 1) * HOUR_US
            raised.append(Raised(arm, principle))
    for each in raised:
        alarm = watch.alarms[each.arm][each.principle]
        alarm.rate = _mean(alarm.lately.values())
    watch.hour += 1
    return raised


def acknowledge(watch: Watch, arm: str, principle: str) -> bool:
    """Somebody has seen it: it begins anew. False: it was not raised."""
    alarm = watch.alarms.get(arm, {}).get(principle)
    if alarm is None or not alarm.raised_us:
        return False
    alarm.raised_us, alarm.rate = 0, 0.0
    return True


def unlearn(watch: Watch, made_with: str) -> None:
    """From now on other rules or classifiers make the verdicts: what was usual says nothing any more."""
    watch.made_with = made_with
    watch.today, watch.earlier, watch.budgets, watch.alarms = {}, [], {}, {}


def _observed(alarm: Alarm, hour: int, share: float) -> bool:
    alarm.lately.setdefault(hour, Sum()).add(share)
    for old in [each for each in alarm.lately if each <= hour - _LATELY]:
        del alarm.lately[old]
    return observe(alarm.level, share)


def _alarm(watch: Watch, arm: str, principle: str) -> Alarm | None:
    """None: too little is known to say what is usual."""
    of_arm = watch.alarms.setdefault(arm, {})
    if principle not in of_arm and principle in watch.budgets:
        of_arm[principle] = Alarm(level_alarm(watch.budgets[principle], watch.run_length))
    return of_arm.get(principle)


def _new_day(watch: Watch, arms: int) -> None:
    """Budgets may change while sums go on: each outcome's bet is on the budget that was set before it."""
    if watch.today:
        watch.earlier = [*watch.earlier, watch.today][-DAYS:]
    watch.today, watch.day = {}, watch.hour // 24
    if len(watch.earlier) < LEARNED:
        return
    usual = _added(watch.earlier)
    budgets = {
        name: earlier_budget(Moments(*msgspec.structs.astuple(of)), _TOLERANCE) for name, of in usual.items()
    }
    watch.budgets = {name: budget for name, budget in budgets.items() if budget < 1}
    # Each of them may be false once in so many outcomes, and there are so many of them.
    daily = max(of.count for of in usual.values()) / len(watch.earlier)
    watch.run_length = max(FALSE_ALARM_DAYS * daily * len(watch.budgets) * arms, 2.0)
    for of_arm in watch.alarms.values():
        for name, alarm in of_arm.items():
            if name in watch.budgets:
                alarm.level.budget, alarm.level.run_length = watch.budgets[name], watch.run_length


def _added(days: Iterable[Mapping[str, Sum]]) -> dict[str, Sum]:
    usual: dict[str, Sum] = {}
    for day in days:
        for name, of in day.items():
            known = usual.setdefault(name, Sum())
            known.count += of.count
            known.total += of.total
            known.squares += of.squares
    return usual


def _mean(sums: Iterable[Sum]) -> float:
    found = list(sums)
    return sum(each.total for each in found) / max(sum(each.count for each in found), 1)
