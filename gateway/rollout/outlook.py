"""What a plan would take at a model's present traffic, for a canary that is as good as stable."""

from collections.abc import Iterator, Mapping
from math import inf

import msgspec

from gateway.rollout.budget import Exposure, chance_of_use, periods_for_room
from gateway.rollout.decide import proving, seconds_ahead
from gateway.rollout.plan import DAY, Plan
from gateway.rollout.proof import periods_to_prove
from gateway.rollout.traffic import Traffic

ASSUMED_RATE = 0.01
"""Of a guardrail whose rate on stable isn't known."""


class StageOutlook(msgspec.Struct, frozen=True):
    """One stage. `percent`: the canary's; `held`: least seconds; `periods`: units that must have closed one.

    `seconds`: expected; None: it never ends at this traffic. `decided_by`: what takes longest.
    """

    percent: float
    held: float
    periods: int
    seconds: float | None
    decided_by: str
    approval: bool


class Outlook(msgspec.Struct, frozen=True):
    """The whole plan. Times in seconds; `expected` None: it cannot finish at this traffic, `why_not` says why.

    `budget_chance`: that a healthy canary uses up the harm budget; None: no traffic is known. `rates`: what each
    guardrail's rate on stable was taken to be. `notes`: what the numbers leave out, in words.
    """

    stages: tuple[StageOutlook, ...]
    least: float
    expected: float | None
    why_not: str
    budget_chance: float | None
    rates: dict[str, float]
    notes: tuple[str, ...]


def outlook(plan: Plan, traffic: Traffic | None, known: Mapping[str, float], seed: int = 1) -> Outlook:
    """`known`: rates on stable, by the guardrail's metric; `seed`: of the simulated harm budget."""
    rates = rates_of(plan, known)
    stages = stages_of(plan, traffic, rates)
    expected = _together(plan, stages)
    return Outlook(
        stages=stages,
        least=plan.max_duration if plan.compare else sum(each.held for each in stages),
        expected=expected if expected is not None and expected <= plan.max_duration else None,
        why_not=_why_not(plan, stages, traffic),
        budget_chance=None if traffic is None else _budget_chance(plan, stages, traffic, rates, seed),
        rates=rates,
        notes=tuple(_notes(plan, traffic, known)),
    )


def rates_of(plan: Plan, known: Mapping[str, float]) -> dict[str, float]:
    """What each guardrail's rate on stable is taken to be."""
    return {each.metric: known.get(each.metric, ASSUMED_RATE) for each in plan.guardrails}


def stages_of(plan: Plan, traffic: Traffic | None, rates: Mapping[str, float]) -> tuple[StageOutlook, ...]:
    """The plan's stages, and behind them the holdout, unless it is an A/B test."""
    stages = tuple(_stage(plan, index, traffic, rates) for index in range(len(plan.stages)))
    return stages if plan.compare else (*stages, _holdout(plan))


def _stage(plan: Plan, index: int, traffic: Traffic | None, rates: Mapping[str, float]) -> StageOutlook:
    needs = needed(plan, index, rates, traffic)
    periods = max(needs.values())
    waited = _closing(plan, index, periods, traffic)
    seconds = None if waited is None else max(waited, plan.dwell)
    slowest = max(needs, key=lambda name: needs[name])
    percent = plan.stages[index]
    return StageOutlook(
        percent=percent,
        held=plan.dwell,
        periods=0 if periods == inf else round(periods),
        seconds=seconds,
        decided_by="dwell" if seconds == plan.dwell else slowest,
        approval=percent in plan.approval,
    )


def _holdout(plan: Plan) -> StageOutlook:
    held = plan.holdout_dwell
    return StageOutlook(plan.holdout, held, 0, held, "dwell", plan.holdout in plan.approval)


def needed(plan: Plan, index: int, rates: Mapping[str, float], traffic: Traffic | None) -> dict[str, float]:
    """Periods of units, of both arms, that must close in a stage: by what asks for them."""
    rho, _ = dealt(plan, index)
    exchanges = 1 if traffic is None else traffic.exchanges_in(plan.period)
    asked = {"units": plan.minimum_units / rho}
    if proving(plan, index) and not plan.compare:
        for each in plan.guardrails:
            if each.promotes:
                proof = periods_to_prove(rates[each.metric], each.margin, rho, plan.promotion_alpha, exchanges)
                asked[f"proof of {each.metric}"] = proof
    if traffic is not None and plan.harm_budget and "harm" in rates and not plan.compare:
        ahead = traffic.exchanges * seconds_ahead(plan, index + 1)
        room = periods_for_room(rates["harm"], rho, plan.harm_budget, ahead, exchanges)
        asked["room in the harm budget"] = room
    return asked


def dealt(plan: Plan, index: int) -> tuple[float, float]:
    """(propensity, share of all units) of the units that bet in a stage: those that were on stable before it."""
    before = plan.shares[index - 1] if index else 0.0
    return (plan.shares[index] - before) / (1.0 - before), 1.0 - before


def _closing(plan: Plan, index: int, periods: float, traffic: Traffic | None) -> float | None:
    """Seconds until so many periods have closed."""
    if traffic is None or periods == inf:
        return None
    _, share = dealt(plan, index)
    opened = traffic.seconds(periods / share)
    if plan.redeal and (opened is None or opened > plan.redeal):
        opened = plan.redeal * periods / max(traffic.units(plan.redeal) * share, 1.0)
    return None if opened is None else opened + (plan.period if periods else 0.0)


def _together(plan: Plan, stages: tuple[StageOutlook, ...]) -> float | None:
    if plan.compare:
        return plan.max_duration
    times = [each.seconds for each in stages]
    return None if None in times else sum(each for each in times if each is not None)


def _why_not(plan: Plan, stages: tuple[StageOutlook, ...], traffic: Traffic | None) -> str:
    if plan.compare:
        return ""
    if traffic is None:
        return "no traffic of this model has been seen yet, so nothing can be said"
    for number, each in enumerate(stages, 1):
        if each.seconds is None and not each.periods:
            return f"stage {number} ({each.percent:g} %) can never have what it needs: {each.decided_by}"
        if each.seconds is None:
            return (
                f"stage {number} ({each.percent:g} %) needs {each.periods:,} units ({each.decided_by}), "
                "and at this traffic so many never come"
            )
    total = sum(each.seconds or 0.0 for each in stages)
    if total > plan.max_duration:
        longest = max(stages, key=lambda each: each.seconds or 0.0)
        return (
            f"it would take {total / DAY:.1f} days, and max_duration is {plan.max_duration / DAY:g}: "
            f"{longest.percent:g} % alone takes {(longest.seconds or 0.0) / DAY:.1f} ({longest.decided_by})"
        )
    return ""


def _budget_chance(
    plan: Plan, stages: tuple[StageOutlook, ...], traffic: Traffic, rates: Mapping[str, float], seed: int
) -> float:
    longest = plan.max_duration if plan.compare else 0.0
    exchanges = [
        (traffic.exchanges * (longest or each.seconds or plan.max_duration), each.percent / 100) for each in stages
    ]
    exposures = [Exposure(total * (1 - share), total * share) for total, share in exchanges]
    return chance_of_use(rates.get("harm", ASSUMED_RATE), exposures, plan.harm_budget, seed)


def _notes(plan: Plan, traffic: Traffic | None, known: Mapping[str, float]) -> Iterator[str]:
    unknown = [each.metric for each in plan.guardrails if each.metric not in known]
    if unknown:
        yield f"not known on stable yet, taken as {ASSUMED_RATE:.0%}: {', '.join(unknown)}"
    if traffic is not None and not plan.harm_budget:
        yield "the harm budget is 0: no bound"
    if plan.advance_hours != (0, 24):
        low, high = plan.advance_hours
        yield f"the canary is raised only from {low} to {high} h UTC: waiting for that is not counted"
    if plan.approval:
        percents = ", ".join(f"{percent:g} %" for percent in plan.approval)
        yield f"waiting for a person is not counted ({percents})"
    if plan.redeal:
        yield f"a stage that waits for proof or units deals everyone anew every {plan.redeal / DAY:.3g} days"
    yield "classifier errors, drift and users who differ are not in these numbers; tipstaff simulate has them"
