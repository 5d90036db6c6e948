"""What `tipstaff simulate` does: many rollouts over made-up traffic, and what became of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pool
from pathlib import Path

import msgspec
import numpy as np
import yaml

from gateway.commands.words import span
from gateway.rollout.plan import Plan
from gateway.rollout.simulate import Run, Simulation
from gateway.rollout.world import World, WorldError

_WAITED = {
    "dwell": "the time that a stage is held",
    "units": "enough units",
    "proof": 'the proof of "no worse"',
    "budget": "enough of the harm budget",
    "operator": "an operator",
    "blind": "knowing anything",
    "labels": "people's labels",
    "hours": "the hours in which it may advance",
    "approval": "a person's approval",
}


class Outcome(msgspec.Struct, frozen=True):
    """How many runs ended so. Seconds from the start until then: the median and the 90th percentile of these runs;
    `excess`: true violations beyond stable's rate until then, of the first guardrail, the median.
    """

    what: str
    runs: int
    median: float
    p90: float
    excess: float


class Simulated(msgspec.Struct, frozen=True):
    """`waited`: code of a wait -> seconds, on average over the runs."""

    runs: int
    outcomes: list[Outcome]
    waited: dict[str, float]


def world_of(path: Path | None, changes: dict[str, object]) -> World:
    """From a YAML file, and what is changed of it. Raises ValueError, OSError."""
    found = {} if path is None else yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise WorldError(f"{path}: expected keys like per_day, users, rate")
    try:
        return msgspec.convert(found | changes, World, strict=False)
    except msgspec.ValidationError as error:
        raise WorldError(str(error)) from error


def pairs(name: str, given: Iterable[str]) -> dict[str, float]:
    """METRIC=NUMBER, any number of them. Raises WorldError."""
    found = {}
    for each in given:
        metric, _, number = each.rpartition("=")
        try:
            found[metric] = float(number)
        except ValueError:
            metric = ""
        if not metric:
            raise WorldError(f"{name} {each}: give it as METRIC=NUMBER, like harm=2")
    return found


def simulate(plan: Plan, world: World, runs: int, days: float, seed: int, told: Callable[[], None]) -> Simulated:
    """`runs` rollouts with seeds from `seed` on, on all cores; `told` is called after each. Raises WorldError."""
    Simulation(plan, world, seed)  # says what is wrong with the world before anything is started
    tasks = [(plan, world, days, seed + number) for number in range(runs)]
    done = []
    with Pool(min(os.cpu_count() or 1, runs)) as pool:
        for run in pool.imap_unordered(_one, tasks):
            done.append(run)
            told()
    return summed(done)


def _one(task: tuple[Plan, World, float, int]) -> Run:
    plan, world, days, seed = task
    return Simulation(plan, world, seed).run(days)


def summed(done: list[Run]) -> Simulated:
    """What became of them."""
    kinds = Counter(_what(run) for run in done)
    outcomes = []
    for what, count in kinds.most_common():
        times, excess = zip(*((_when(run), run.excess) for run in done if _what(run) == what), strict=True)
        median, late = np.quantile(times, [0.5, 0.9], method="inverted_cdf")
        outcomes.append(Outcome(what, count, float(median), float(late), float(np.median(excess))))
    waited: Counter[str] = Counter()
    for run in done:
        waited.update({code: round(seconds) for code, seconds in run.waits_for.items()})
    return Simulated(len(done), outcomes, {code: total / len(done) for code, total in waited.most_common()})


def _what(run: Run) -> str:
    return run.status.replace("_", " ") if run.promoted is None else "promoted"


def _when(run: Run) -> float:
    return run.at if run.promoted is None else run.promoted


def lines(plan: Plan, world: World, found: Simulated, days: float) -> Iterator[str]:
    """For people."""
    unit = "every request for itself" if world.request_units else f"{world.users:,} users who come back"
    yield f"plan {plan.preset}, at most {days:g} days; {world.per_day:,.0f} requests a day, {unit}"
    yield "true rates " + ", ".join(_rates(plan, world))
    for each in found.outcomes:
        when = f"after {span(each.median)} (9 of 10 within {span(each.p90)})"
        if each.what in ("running", "frozen"):
            when = "when time was over"
        yield f"{each.what:<12} {each.runs:>4} of {found.runs}  {when}; excess violations {each.excess:g}"
    if found.waited:
        yield "waited on average for " + ", ".join(
            f"{_WAITED.get(code, code)} {span(seconds)}" for code, seconds in found.waited.items() if seconds >= 1
        )


def _rates(plan: Plan, world: World) -> Iterator[str]:
    for each in plan.guardrails:
        times = world.ratios.get(each.metric, 1.0)
        yield f"{each.metric} {world.rate_of(each.metric):.3%}" + (f" x{times:g}" if times != 1 else "")
