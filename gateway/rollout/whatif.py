"""Another plan over a recorded rollout: when would its rules have spoken?

Who saw which arm was decided under the recorded weights, so the stages stay the recorded ones, and the other plan's
decisions are noted instead of carried out. Up to the first that parts from what happened they are what that plan
would have done; after it they say only what its rules make of traffic that it would have dealt otherwise.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge

import msgspec

from gateway.core.evidence import DecisionKind
from gateway.core.evidence import Evidence as Stated
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Command, Input, Observation
from gateway.rollout.plan import Plan
from gateway.rollout.replay import drive
from gateway.rollout.start import Beginning, begin
from gateway.rollout.state import Status
from gateway.rollout.summary import stated
from gateway.rollout.units import MemoryUnits

_CLOSE = 1e-9


class StageChange(msgspec.Struct, frozen=True):
    """What was in force from then on. `share`: the canary's, in [0, 1]; `version`: (epoch, version) of its table;
    `new_salt`: everyone was dealt anew; `asked`: an operator's word, which another plan would have heard too.
    """

    time_us: int
    share: float
    version: tuple[int, int]
    new_salt: bool = False
    asked: bool = False


class Saying(msgspec.Struct, frozen=True):
    """What the other plan's rules say for the first time in a recorded stage. `number`: of that stage, from 1.

    `parted`: by then the recorded weights were others than that plan's. `evidence`: as the rules read it, before
    the periods that a decision would have ended.
    """

    time_us: int
    kind: DecisionKind
    reason: str
    share: float
    number: int
    parted: bool
    evidence: Stated


def what_if(
    plan: Plan,
    beginning: Beginning,
    observations: Iterable[Observation],
    inputs: Iterable[Input],
    changes: Sequence[StageChange],
    until_us: int,
) -> Iterator[Saying]:
    """`changes`: the recorded stages, the first at the beginning; operators' words are known by them alone.

    At least 50,000 observations a second.
    """
    onlooker = _Onlooker(plan, beginning, changes[0])
    facts = (given for given in inputs if not isinstance(given, Command))
    given = merge(facts, changes[1:], key=lambda each: each.time_us)
    for made in drive(onlooker, observations, given, until_us):
        if (saying := onlooker.noted(made)) is not None:
            yield saying


class _Onlooker(Engine):
    """Its rules speak, and are not obeyed: stages are those that it is told of."""

    def __init__(self, plan: Plan, beginning: Beginning, first: StageChange) -> None:
        state, _ = begin(plan, beginning)
        state.passed_us = beginning.time_us
        state.stage.share, state.shares = first.share, [first.share]
        state.stage.index = _index(plan, first.share)
        super().__init__(plan, state, MemoryUnits())
        self.applied(first.version)
        self._said: set[tuple[DecisionKind, int]] = set()
        self._parted = abs(first.share - plan.shares[0]) > _CLOSE
        self._wish: Decision | None = None

    def take(self, given: Input | StageChange) -> Iterator[Decision]:
        """See Engine; a change takes place after all that is not later."""
        if not isinstance(given, StageChange):
            yield from super().take(given)
            return
        yield from self.advance(given.time_us)
        self._follow(given)

    def noted(self, made: Decision) -> Saying | None:
        """A decision of its rules; None: it was said before in this stage, or is a wait."""
        number = self.state.stage.number
        if made.kind == "wait" or (made.kind, number) in self._said:
            return None
        self._said.add((made.kind, number))
        self._parted = self._parted or self._wish is not None
        evidence = stated(self.plan, self.state, self.evidence)
        said = Saying(made.time_us, made.kind, made.reason, made.share, number, self._parted, evidence)
        if made.share != self.state.stage.share:
            self._wish = made
        return said

    def _follow(self, change: StageChange) -> None:
        state, wish = self.state, self._wish
        as_wished = wish is not None and (wish.time_us, wish.share) == (change.time_us, change.share)
        self._parted = self._parted or not (as_wished or (change.asked and wish is None))
        self._wish = None
        raised = change.new_salt or change.share > state.stage.share
        index = _index(self.plan, change.share)
        made = Decision(
            time_us=state.clock_us,
            kind="advance" if raised and not change.asked else "suspend",
            reason="",
            share=change.share,
            stage=index,
            status=_status(self.plan, change.share),
            new_salt=change.new_salt,
        )
        for _ in super()._decide(made):
            self.applied(change.version)
        state.answered = False

    def _decide(self, made: Decision) -> Iterator[Decision]:
        self.state.waits_for = made.waits_for
        if made.kind == "freeze":
            self.state.answered = True  # nobody stopped: without this it would speak at every further violation
        yield made


def _index(plan: Plan, share: float) -> int:
    """Where a plan would be with that share."""
    if share >= plan.holdout / 100 - _CLOSE:
        return len(plan.stages)
    return max((place for place, each in enumerate(plan.shares) if each <= share + _CLOSE), default=0)


def _status(plan: Plan, share: float) -> Status:
    if share <= 0:
        return "suspended"
    if share >= 1:
        return "promoted"
    return "holdout" if _index(plan, share) == len(plan.stages) else "running"
