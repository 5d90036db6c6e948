"""The rules: from what is known to what follows from it. Pure functions of the plan, the state and the evidence.

Nothing here moves the canary forward but `look`, and nothing in `look` takes silence for success.
"""

from collections.abc import Callable, Iterator
from math import sqrt

import msgspec

from gateway.core.evidence import DecisionKind
from gateway.rollout import grounds
from gateway.rollout.decision import Decision, Wait
from gateway.rollout.evidence import Evidence
from gateway.rollout.observation import SCALE
from gateway.rollout.plan import Plan
from gateway.rollout.state import COUNTING, RolloutState, Status
from gateway.rollout.wording import bound, e_value, spelled

HOUR_US = 3_600_000_000
UNDO_US = 7 * 24 * HOUR_US
"""For so long a promotion can be undone."""
_STEP_US = 30_000_000
"""Between two steps of a rollback that stable has too little room for."""
_ROOM = 0.5
"""Share of an arm's endpoints that must be healthy before it gets more traffic at once."""
_LEANS = 0.2
"""Part of the way to "worse" from which the canary is not raised: an equal one gets there in 1 of 4 rollouts at
most, and comes back."""
_ENOUGH = 100
"""Exchanges per arm from which shares of them mean something."""
_MOSTLY = 0.5
"""Share of exchanges that, when it isn't evaluated, leaves nothing to prove."""
_SURE = 4.0
"""Standard errors by which two shares must differ."""


class View(msgspec.Struct, frozen=True):
    """What may hold a canary back is looked for in these."""

    plan: Plan
    state: RolloutState
    evidence: Evidence


def worse(plan: Plan, state: RolloutState, evidence: Evidence) -> Decision | Wait | None:
    """What the mean of the e-values says when a period has closed; None: it does not say "worse"."""
    if state.status not in COUNTING or evidence.mean() < 1 / plan.alpha:
        return None
    if (plan.compare and not _harmful(plan, evidence)) or (plan.on_worse == "suspend" and state.overruled):
        return None
    found, needed = e_value(evidence.mean()), bound(1 / plan.alpha)
    guardrail, counts = grounds.loudest(plan, evidence)
    said = f"the canary is worse, mostly in {guardrail}: rollback E {found}, {needed} was needed; {counts}"
    if plan.on_worse == "suspend":
        return _room_for(state, _change(state, "suspend", f"{said}; the plan says suspend", 0.0, "suspended"))
    return retreat(state, said)


def retreat(state: RolloutState, said: str, actor: str = "tipstaff") -> Decision | Wait:
    """Back to stable: at once, in steps where stable has little room, or not yet where it has none."""
    room = _room(state)
    if room <= 0:
        return _no_room(said)
    share, last = state.stage.share, state.stage.began_us
    if room >= _ROOM or share <= 0.01:
        return _change(state, "roll_back", said, state.back, "rolled_back", actor)
    if state.status == "frozen" and state.clock_us - last < _STEP_US:
        return Wait("stepping", f"{said}; stable has {room:.0%} of its endpoints: the next step follows")
    said = f"{said}; stable has only {room:.0%} of its endpoints, so the canary's share is halved first"
    return _change(state, "roll_back", said, share / 2, "frozen", actor)


def _room(state: RolloutState) -> float:
    """Share of stable's endpoints that could take the canary's traffic."""
    return 1.0 if state.health is None else state.health.stable


def _no_room(said: str) -> Wait:
    return Wait("no_room", f"{said}; but stable has no healthy endpoint to take the traffic")


def _room_for(state: RolloutState, made: Decision) -> Decision | Wait:
    """A change that sends everyone to stable, where somebody is there to answer."""
    return made if _room(state) > 0 else _no_room(made.reason)


def alarm(plan: Plan, state: RolloutState, evidence: Evidence, exchange_id: str) -> Decision | None:
    """What the fast alarm says when a violation was counted."""
    if state.status not in ("running", "holdout") or state.answered or plan.compare:
        return None
    value = evidence.alarm_mean()
    if value < 1 / plan.alarm_alpha:
        return None
    needed = f"alarm E {e_value(value)}, {bound(1 / plan.alarm_alpha)} was needed"
    guardrail, counts = grounds.alarmed(plan, evidence)
    said = f"fast alarm on {guardrail}: {needed}; {counts}"
    if plan.on_alarm == "suspend" and _room(state) > 0:
        return _change(state, "suspend", said, 0.0, "suspended", exchanges=(exchange_id,))
    return _change(state, "freeze", said, state.stage.share, "frozen", exchanges=(exchange_id,))


def look(plan: Plan, state: RolloutState, evidence: Evidence) -> Decision | Wait | None:
    """What the rules say at this moment of canonical time; None: the rollout waits for nobody but an operator."""
    if state.status in COUNTING:
        ending = worse(plan, state, evidence) or _stop(plan, state) or _blinded(plan, state)
        if ending is not None:
            return ending
    elif state.status == "suspended" and (over := _stop(plan, state)):
        return over  # nobody may come back to it, and time doesn't wait for one who forgot
    standing = _STANDING.get(state.status)
    if standing is not None:
        return standing
    if state.status not in COUNTING:
        return None
    return _COMPARING if plan.compare else _onward(plan, state, evidence)


_STANDING: dict[Status, Wait] = {
    "suspended": Wait("operator", "suspended: an operator resumes or rolls back"),
    "frozen": Wait("operator", "frozen: evidence goes on and may roll back; an operator resumes"),
}
_COMPARING = Wait("comparing", "an A/B test: it ends by its plan")


def _onward(plan: Plan, state: RolloutState, evidence: Evidence) -> Decision | Wait:
    held = next((found for each in _HOLDS for found in each(View(plan, state, evidence))), None)
    if isinstance(held, Wait) and held.code in ("proof", "units"):
        return _redealt(plan, state) or held
    return held or _forward(plan, state, evidence)


def holds(plan: Plan, state: RolloutState, evidence: Evidence) -> list[Wait]:
    """Everything that keeps the canary where it is, the gravest first; for display."""
    return [found for each in _HOLDS for found in each(View(plan, state, evidence))]


def spent(state: RolloutState) -> float:
    """Harm budget used: the canary's severity-weighted violations beyond stable's rate, at least 0.

    Rates are of all exchanges: where only violations can be told (rules that are `partial`), a rate of those that
    were told would be 1.
    """
    stable_harm, canary_harm = state.harm
    stable, canary = state.exchanges
    expected = stable_harm / stable * canary if stable else 0.0
    return max(canary_harm - expected, 0.0) / SCALE


def proving(plan: Plan, index: int) -> bool:
    """Whether "no worse" must be proven in the stage with that index."""
    return index < len(plan.stages) and (plan.stages[index] >= plan.prove_from or index == len(plan.stages) - 1)


def _harmful(plan: Plan, evidence: Evidence) -> bool:
    """For a plain A/B test: harm alone rolls back."""
    harmful = [place for place, each in enumerate(plan.guardrails) if each.metric == "harm"]
    levels = evidence.tests.bounded()
    return any(levels[place] >= 1 / plan.alpha for place in harmful)


def _stop(plan: Plan, state: RolloutState) -> Decision | Wait | None:
    used = spent(state)
    if plan.harm_budget and used >= plan.harm_budget:
        said = f"the harm budget is used up: {used:.1f} of {plan.harm_budget:g}; this is no verdict on the canary"
        return _room_for(state, _change(state, "stop", said, state.back, "stopped"))
    if state.clock_us - state.started_us >= plan.max_duration * 1e6 and state.stage.index < len(plan.stages):
        if plan.compare:
            return _room_for(
                state, _change(state, "finish", "the A/B test has run its time", state.back, "finished")
            )
        said = "max_duration is over and nothing was proven"
        return _room_for(state, _change(state, "stop", said, state.back, "stopped"))
    return None


def _blinded(plan: Plan, state: RolloutState) -> Decision | Wait | None:
    blind = 0.0 if state.silence is None else state.silence.blind
    if blind < plan.blind.after or (state.status == "frozen" and plan.blind.do == "freeze"):
        return None
    said = f"nothing is known of the canary's answers for {blind / 60:.0f} minutes"
    if plan.blind.do == "suspend":
        return _room_for(state, _change(state, "suspend", said, 0.0, "suspended"))
    return _change(state, "freeze", said, state.stage.share, "frozen")


def _mismatch(seen: View) -> Iterator[Wait]:
    if seen.evidence.mismatched():
        stable, canary = seen.state.units
        yield Wait("mismatch", f"sample-ratio mismatch: {canary} units of {stable + canary} saw the canary first")
    if seen.evidence.shifted():
        yield Wait("shift", "the arms differ in exchanges per unit, which alone would raise first violations")


def _unseen(seen: View) -> Iterator[Wait]:
    plan, state = seen.plan, seen.state
    if state.silence is not None and state.silence.blind > 0:
        yield Wait("blind", f"nothing new is known for {state.silence.blind:.0f} s")
    stable, canary = state.stage.exchanges
    if min(stable, canary) < _ENOUGH:
        return
    for place, guardrail in enumerate(plan.guardrails):
        if guardrail.promotes:
            yield from _unscored(plan, state, place)
            yield from _untold(plan, state, place)


def _unscored(plan: Plan, state: RolloutState, place: int) -> Iterator[Wait]:
    stable, canary = (
        missing[place] / total for missing, total in zip(state.stage.missing, state.stage.exchanges, strict=True)
    )
    name = plan.guardrails[place].metric
    if abs(canary - stable) > plan.max_unscored and _differ(stable, canary, state.stage.exchanges):
        yield Wait("unscored", f"{name}: not evaluated {canary:.1%} on the canary, {stable:.1%} on stable")
    usual = state.unscored[place] if state.unscored else None
    for share, count in zip((stable, canary), state.stage.exchanges, strict=True):
        if usual is not None and share > usual + plan.max_unscored + _SURE * sqrt(share * (1 - share) / count):
            yield Wait("unscored", f"{name}: {share:.1%} not evaluated, {usual:.1%} the week before")
            return


def _untold(plan: Plan, state: RolloutState, place: int) -> Iterator[Wait]:
    """Where most answers are told nothing of unless they violate, violations hide among the others, and "no worse"
    means nothing.
    """
    share = max(
        missing[place] / total for missing, total in zip(state.stage.missing, state.stage.exchanges, strict=True)
    )
    if share > _MOSTLY:
        name = plan.guardrails[place].metric
        yield Wait(
            "unscored", f"{name}: {share:.1%} not evaluated: nothing can be proven of it without an evaluator"
        )


def _differ(one: float, other: float, counts: list[int]) -> bool:
    error = sqrt(one * (1 - one) / counts[0] + other * (1 - other) / counts[1])
    return abs(one - other) > _SURE * error


def _leaning(seen: View) -> Iterator[Wait]:
    """Waiting is always allowed, so this costs no error: a canary that has just turned worse isn't promoted on what
    was proven before.
    """
    plan, answered = seen.plan, seen.state.answered
    tests = [(seen.evidence.mean(), plan.alpha)]
    if not answered:  # an operator who resumed after it has read the alarm
        tests.append((seen.evidence.alarm_mean(), plan.alarm_alpha))
    value, alpha = max(tests, key=lambda each: each[0] * each[1])
    if value * alpha >= _LEANS:
        said = f"E {e_value(value)} of {bound(1 / alpha)}"
        shows = "it says worse" if value * alpha >= 1 else "though it shows nothing yet"
        yield Wait("leaning", f"the evidence leans towards worse ({said}), {shows}")


def _served(seen: View) -> Iterator[Wait]:
    plan, state = seen.plan, seen.state
    for arm, failed, total in zip(
        ("stable", "canary"), state.stage.failed_over, state.stage.exchanges, strict=True
    ):
        if total >= _ENOUGH and failed / total > plan.max_fail_overs:
            yield Wait("fail_over", f"{failed / total:.1%} of {arm}'s exchanges were served by another arm")
    health = state.health
    if health is not None and health.changed:
        yield Wait("changed", f"what {health.changed} serves has changed: finish or retry with its new version")
    if health is not None and health.canary < _ROOM:
        yield Wait("room", f"only {health.canary:.0%} of the canary's endpoints are healthy")


def _enough(seen: View) -> Iterator[Wait]:
    plan, state = seen.plan, seen.state
    holdout = state.stage.index >= len(plan.stages)
    dwell = plan.holdout_dwell if holdout else plan.dwell
    left = dwell - (state.clock_us - state.stage.began_us) / 1e6
    if left > 0:
        yield Wait("dwell", f"the stage is held for {spelled(dwell)}")
    closed = state.stage.closed[1]
    if not holdout and closed < plan.minimum_units:
        yield Wait("units", f"{closed} of {plan.minimum_units} periods of canary units have closed")


def _proof(seen: View) -> Iterator[Wait]:
    plan, state = seen.plan, seen.state
    if proving(plan, state.stage.index) and (missing := grounds.unproven(plan, seen.evidence)):
        yield Wait("proof", f'"no worse" is not shown yet for {missing}')
    held_out = state.stage.index >= len(plan.stages)
    if (held_out or proving(plan, state.stage.index)) and state.labels is not None and state.labels.veto:
        yield Wait("labels", state.labels.veto)


def _allowed(seen: View) -> Iterator[Wait]:
    plan, state = seen.plan, seen.state
    index = state.stage.index + 1
    low, high = plan.advance_hours
    hours = Wait("hours", f"the canary is raised only between {low} and {high} h UTC")
    outside = not low <= state.clock_us // HOUR_US % 24 < high
    if index > len(plan.stages):
        if outside:
            yield hours
        return
    percent = plan.stages[index] if index < len(plan.stages) else plan.holdout
    if percent in plan.approval and state.approved < index:
        yield Wait("approval", f"the stage of {percent:g} % needs a person: tipstaff rollout approve")
    if outside:
        yield hours
    need = _next_harm(plan, state, seen.evidence, index)
    left = plan.harm_budget - spent(state)
    if plan.harm_budget and need > left:
        yield Wait(
            "budget", f"the next stage could use {need:.1f} of the {left:.1f} that is left of the harm budget"
        )


def _next_harm(plan: Plan, state: RolloutState, evidence: Evidence, index: int) -> float:
    """What the stage `index` would use of the budget, at the upper end of what the harm's difference may be."""
    places = [place for place, each in enumerate(plan.guardrails) if each.metric == "harm"]
    elapsed = (state.clock_us - state.stage.began_us) / 1e6
    if not places or elapsed <= 0:
        return 0.0
    _, high = evidence.difference(places[0])
    return max(high, 0.0) * sum(state.stage.exchanges) / elapsed * seconds_ahead(plan, index)


def seconds_ahead(plan: Plan, index: int) -> float:
    """Of all traffic, the canary's in the stage `index` at the least; the one behind the last is the holdout."""
    holdout = index == len(plan.stages)
    share, dwell = (plan.holdout / 100, plan.holdout_dwell) if holdout else (plan.shares[index], plan.dwell)
    return share * dwell


_HOLDS: tuple[Callable[[View], Iterator[Wait]], ...] = (
    _mismatch,
    _served,
    _unseen,
    _enough,
    _leaning,
    _proof,
    _allowed,
)
"""What may hold a canary back, the gravest first."""


def _redealt(plan: Plan, state: RolloutState) -> Decision | None:
    """A long stage gets a new salt, so that units whose arm is known bet again."""
    age = (state.clock_us - max(state.stage.began_us, state.stage.dealt_us)) / 1e6
    if not plan.redeal or age < plan.redeal or state.status != "running":
        return None
    said = f"the last deal is {age / 3600:.0f} h old: everyone is dealt anew, so that known units count again"
    return Decision(state.clock_us, "redeal", said, state.stage.share, state.stage.index, "running", new_salt=True)


def _forward(plan: Plan, state: RolloutState, evidence: Evidence) -> Decision:
    index = state.stage.index + 1
    quiet = (
        f"nothing shows it to be worse (rollback E {e_value(evidence.mean())}; {bound(1 / plan.alpha)} would do it)"
    )
    shown = ""
    if proving(plan, state.stage.index):
        shown = f'"no worse" was shown for {grounds.proven(plan, evidence)}'
    if index < len(plan.stages):
        later = f'"no worse" is asked from {min(plan.prove_from, plan.stages[-1]):g} % on'
        closed = f"{state.stage.closed[1]} of its users' periods are over"
        held = f"it was held for {spelled(plan.dwell)} at the least, {closed}"
        said = f"stage {index} is passed: {shown or f'{held}, {quiet}; {later}'}"
        return _change(state, "advance", said, plan.shares[index], "running", stage=index)
    if state.drill:
        return _change(state, "finish", "it would be promoted now, and a drill is not", state.back, "finished")
    if index == len(plan.stages):
        said = f"{shown}; {100 - plan.holdout:g} % stay behind for {spelled(plan.holdout_dwell)} at the least"
        return Decision(state.clock_us, "promote", said, plan.holdout / 100, index, "holdout", new_salt=True)
    held = f"in a holdout of {spelled(plan.holdout_dwell)} at the least"
    said = f'after "no worse" was shown, {quiet} {held}: everyone gets it'
    return _change(state, "promote", said, 1.0, "promoted")


def _change(
    state: RolloutState,
    kind: DecisionKind,
    reason: str,
    share: float,
    status: Status,
    actor: str = "tipstaff",
    *,
    stage: int | None = None,
    exchanges: tuple[str, ...] = (),
) -> Decision:
    index = state.stage.index if stage is None else stage
    return Decision(state.clock_us, kind, reason, share, index, status, actor=actor, exchanges=exchanges)
