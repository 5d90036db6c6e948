"""What a rollout waits for, and how long that takes at the present traffic. For people: nothing decides on it."""

from collections.abc import Iterator, Mapping
from itertools import chain
from math import inf

import msgspec

from gateway.rollout import decide
from gateway.rollout.commands import undo_until_us
from gateway.rollout.decision import Decision, Wait
from gateway.rollout.evidence import Evidence
from gateway.rollout.outlook import needed, rates_of, stages_of
from gateway.rollout.plan import Plan
from gateway.rollout.state import COUNTING, ENDED, RolloutState
from gateway.rollout.summary import stated
from gateway.rollout.traffic import Traffic
from gateway.rollout.wording import bound, e_value_of

_SEEN = 20
"""Closed periods from which their own pace is taken for the coming ones."""


class Left(msgspec.Struct, frozen=True):
    """One thing that holds the canary back. `seconds` from now; None: it depends on people, or can't be said."""

    what: str
    said: str
    seconds: float | None


class Forecast(msgspec.Struct, frozen=True):
    """`why`: what it waits for, in one sentence. `stage`, `whole`: seconds until this stage ends, until everyone
    has the canary; None: can't be said. `old_arm_us`: from when the old arm may be switched off, microseconds;
    None: not now, `old_arm` says why.
    """

    why: str
    left: tuple[Left, ...]
    stage: float | None
    whole: float | None
    old_arm_us: int | None
    old_arm: str


def forecast(
    plan: Plan, state: RolloutState, evidence: Evidence, traffic: Traffic | None, known: Mapping[str, float]
) -> Forecast:
    """`known`: rates on stable, by the guardrail's metric."""
    going = state.status in COUNTING and not plan.compare
    left = tuple(_left(_Sight(plan, state, evidence, traffic, known))) if going else ()
    stage = _longest(left) if going else None
    whole = _whole(plan, state, stage, traffic, known)
    old_arm_us, old_arm = _old_arm(state)
    return Forecast(why(plan, state, evidence), left, stage, whole, old_arm_us, old_arm)


def why(plan: Plan, state: RolloutState, evidence: Evidence) -> str:
    """Why nothing changes just now, in words."""
    if state.status in ENDED:
        return f"it has ended: {state.status.replace('_', ' ')}"
    if state.status == "promoted":
        return "everyone has the canary: finish makes it the baseline, undo goes back"
    found = decide.look(plan, state, evidence)
    if isinstance(found, Wait):
        return found.reason
    return f"about to {found.kind.replace('_', ' ')}: {found.reason}" if isinstance(found, Decision) else ""


class _Sight(msgspec.Struct, frozen=True):
    plan: Plan
    state: RolloutState
    evidence: Evidence
    traffic: Traffic | None
    known: Mapping[str, float]

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return (self.state.clock_us - self.state.stage.began_us) / 1e6

    @property
    def needs(self) -> dict[str, float]:
        """As the plan's outlook says it: what asks for periods, and for how many."""
        return needed(self.plan, self.state.stage.index, rates_of(self.plan, self.known), self.traffic)


def _left(sight: _Sight) -> Iterator[Left]:
    return chain.from_iterable(_of(sight, hold) for hold in decide.holds(sight.plan, sight.state, sight.evidence))


def _of(sight: _Sight, hold: Wait) -> Iterator[Left]:
    if hold.code == "proof":
        yield from _proofs(sight)
    elif hold.code == "units":
        missing = sight.plan.minimum_units - sight.state.stage.closed[1]
        yield Left("units", hold.reason, _closing(sight, missing, sight.state.stage.closed[1], "units"))
    elif hold.code == "dwell":
        holdout = sight.state.stage.index >= len(sight.plan.stages)
        dwell = sight.plan.holdout_dwell if holdout else sight.plan.dwell
        yield Left("dwell", hold.reason, max(dwell - sight.elapsed, 0.0))
    elif hold.code == "hours":
        yield Left("hours", hold.reason, _until(sight.plan.advance_hours[0], sight.state.clock_us))
    else:
        yield Left(hold.code, hold.reason, None)


def _proofs(sight: _Sight) -> Iterator[Left]:
    """Each "no worse" that isn't shown: its logarithm goes on as straight as it came."""
    rows = stated(sight.plan, sight.state, sight.evidence).rows
    closed = sum(sight.state.stage.closed)
    for place in sight.evidence.unproven():
        row, what = rows[place], f"proof of {rows[place].guardrail}"
        shown, needed = e_value_of(row.no_worse), bound(10**row.no_worse_needs)
        said = f'"no worse" in {row.guardrail}: E {shown} of {needed}'
        if closed < _SEEN:
            missing = max(sight.needs.get(what, inf) - closed, 0.0)
        elif row.no_worse > 0:
            missing = closed * (row.no_worse_needs / row.no_worse - 1.0)
        else:
            missing, said = inf, f"{said}, and it is not growing"
        yield Left(what, said, _closing(sight, missing, closed, what))


def _closing(sight: _Sight, missing: float, closed: int, what: str) -> float | None:
    """Seconds until so many more periods close: at the pace of this stage, else at that of the traffic."""
    open_for = sight.elapsed - sight.plan.period
    if missing == inf:
        return None
    if closed >= _SEEN and open_for > 0:
        return missing * open_for / closed
    if sight.traffic is None:
        return None
    opened = sight.traffic.seconds(sight.needs.get(what, inf))
    return None if opened is None else max(opened + sight.plan.period - sight.elapsed, 0.0)


def _until(hour: int, now_us: int) -> float:
    into = now_us / 1e6 % 86_400
    return (hour * 3600 - into) % 86_400


def _longest(left: tuple[Left, ...]) -> float | None:
    times = [each.seconds for each in left]
    return None if None in times else max((each for each in times if each is not None), default=0.0)


def _whole(
    plan: Plan, state: RolloutState, stage: float | None, traffic: Traffic | None, known: Mapping[str, float]
) -> float | None:
    if stage is None or state.status == "frozen" or state.drill:
        return None
    later = [each.seconds for each in stages_of(plan, traffic, rates_of(plan, known))[state.stage.index + 1 :]]
    return None if None in later else stage + sum(each for each in later if each is not None)


def _old_arm(state: RolloutState) -> tuple[int | None, str]:
    if (until := undo_until_us(state)) is not None:
        return until, "until then undo goes straight back; finish gives that up"
    if state.drill:
        return None, "a drill ends where it began"
    if state.status == "finished" and state.promoted_us:
        return state.clock_us, "the rollout is finished"
    if state.status in ENDED:
        return None, "all traffic is on it"
    return None, "until 7 days after the promotion, as long as that can be undone"
