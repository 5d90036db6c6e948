"""One rollout, advanced by events in canonical order: verdicts, operators' words, health, labels, and time itself.

Whoever drives it feeds observations and inputs in the order of their time, and acts on each decision before asking
for the next: saves the state, publishes the table, and says under which version by `applied`. Batches don't matter:
what an event does depends on the events before it alone. A decision is given only when its event is counted whole,
so the state at that moment is one to go on from.
"""

from collections.abc import Iterator, Sequence

import msgspec

from gateway.core.evidence import Evidence as Stated
from gateway.rollout import commands, decide
from gateway.rollout.decision import Decision, Wait
from gateway.rollout.evidence import Closing, Evidence, own_outcomes
from gateway.rollout.observation import SCALE, Command, Health, Input, Labels, Observation, Report, Reports, Silence
from gateway.rollout.plan import Plan
from gateway.rollout.state import COUNTING, UNKNOWN, RolloutState, new_stage
from gateway.rollout.summary import stated
from gateway.rollout.units import UnitRow, Units, propensity

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_NEVER = 1 << 62


class Engine:
    """See the module. `state` is complete after `sync`; `units` are the rows of this rollout.

    The rules are looked at when a whole second passes after an event, and each whole minute.
    """

    def __init__(self, plan: Plan, state: RolloutState, units: Units) -> None:
        self.plan = plan
        self.state = state
        self.evidence = Evidence.of(plan, state.book)
        self._units = units
        self._period_us = round(plan.period * 1e6)
        self._size = len(plan.guardrails)
        self._alarming = [each.ratio > 0 for each in plan.guardrails]
        self._due = self._first_due()
        self._read: Stated | None = None

    @property
    def read(self) -> Stated:
        """The evidence as the rules read it for the last decision, before a new stage began to count from nothing;
        until there is one, as it is now.
        """
        return stated(self.plan, self.state, self.evidence) if self._read is None else self._read

    def sync(self) -> RolloutState:
        """The state, with the evidence in it; for the store."""
        self.state.book = self.evidence.stored()
        return self.state

    def observe(self, seen: Observation) -> Iterator[Decision]:
        """One verdict, after whatever time brings before it.

        Passed over is what was counted already, and what comes too late: from before a time that has passed.
        """
        state = self.state
        if seen.time_us <= state.passed_us or (seen.time_us, seen.exchange_id) <= state.counted:
            return
        if min(self._due, state.look_us) <= seen.time_us:
            yield from self.advance(seen.time_us - 1)
        state.counted = (seen.time_us, seen.exchange_id)
        state.clock_us = max(seen.time_us, state.clock_us)
        if state.status not in COUNTING or not seen.counts:
            return
        self._look_after(seen.time_us)
        self._tell(seen)
        current = seen.version >= state.stage.version
        alarmed = self._returning(seen, current=current) if seen.returns else current and self._passing(seen)
        if found := self._found(seen.exchange_id if alarmed else ""):
            yield from self._decide(found)

    def advance(self, time_us: int) -> Iterator[Decision]:
        """Canonical time has come this far: periods end, and the rules are looked at."""
        state = self.state
        while (now := min(self._due, state.look_us)) <= time_us:
            state.clock_us = max(now, state.clock_us)
            found: Decision | None
            if self._due == now:
                self._close_first(for_worse=True)
                self._look_after(now)
                found = self._found("")
            else:
                state.look_us = (now // _MINUTE_US + 1) * _MINUTE_US
                found = self._looked()
            if found is not None:
                yield from self._decide(found)
        state.clock_us = max(time_us, state.clock_us)
        state.passed_us = max(time_us, state.passed_us)

    def take(self, given: Input) -> Iterator[Decision]:
        """An input, in its place: after everything up to its time. Raises commands.Refused."""
        yield from self.advance(given.time_us)
        self._look_after(given.time_us)
        found: Decision | None
        if isinstance(given, Reports):
            alarmed = [each.exchange_id for each in given.reports if self._report(each)]
            found = self._found(alarmed[-1] if alarmed else "")
        elif isinstance(given, Command):
            found = commands.commanded(self.plan, self.state, given)
        else:
            self._know(given)
            found = self._looked()
        if found is not None:
            yield from self._decide(found)

    def applied(self, version: tuple[int, int]) -> None:
        """The table of the last decision is in force under this version."""
        self.state.stage.version = version

    def _know(self, given: Health | Silence | Labels) -> None:
        if isinstance(given, Health):
            self.state.health = given
        elif isinstance(given, Silence):
            self.state.silence = given
        else:
            self.state.labels = given

    def _look_after(self, time_us: int) -> None:
        self.state.look_us = min(self.state.look_us, (time_us // _SECOND_US + 1) * _SECOND_US)

    def _tell(self, seen: Observation) -> None:
        """Counts that are shown, and those that rules other than the tests go by."""
        state, arm = self.state, int(seen.canary)
        stage = state.stage
        stage.exchanges[arm] += 1
        state.exchanges[arm] += 1
        stage.failed_over[arm] += seen.failed_over
        if None in seen.outcomes:
            missing = stage.missing[arm]
            for place, outcome in enumerate(seen.outcomes):
                missing[place] += outcome is None
        if seen.harm is not None:
            state.harm[arm] += seen.harm
            state.judged[arm] += 1
            state.flagged[arm] += seen.harm > 0

    def _passing(self, seen: Observation) -> bool:
        """A unit that is the request itself: never seen before, nor after. Returns whether it moved the alarm."""
        share = self.state.stage.share
        self.state.units[seen.canary] += 1
        self.evidence.exposure(share, seen.canary)
        violated = self._violated(seen.outcomes, 0)
        if violated:
            self.evidence.violation(violated, share, seen.canary)
        sums = [outcome or 0 for outcome in seen.outcomes]
        missing = [int(outcome is None) for outcome in seen.outcomes]
        self._count(Closing(seen.canary, share, self.evidence.base, b"", 1, sums, missing))
        return bool(violated)

    def _returning(self, seen: Observation, *, current: bool) -> bool:
        """A unit that may come back. Returns whether it moved the alarm."""
        state, stage = self.state, self.state.stage
        row = self._units.get(seen.unit)
        if row is None or row.salt != state.salt:
            if not current:
                return False  # dealt under another salt: it says nothing of this one
            row = UnitRow(salt=state.salt, own=b"" if row is None else row.own)
            state.units[seen.canary] += 1
            self.evidence.exposure(stage.share, seen.canary)
        if current and row.stage != stage.number:
            self._open(row, seen)
        if row.opened_us and row.canary == seen.canary:
            _add(row, seen)
        moved = current and any(seen.outcomes) and self._first_violations(row, seen.outcomes, canary=seen.canary)
        self._units.put(seen.unit, row)
        return moved

    def _open(self, row: UnitRow, seen: Observation) -> None:
        """The unit's first exposure in this stage. Where its arm was known before, there is nothing to bet on."""
        state = self.state
        row.stage = state.stage.number
        if not 0.0 < propensity(state.shares, row.low, row.high, state.stage.share) < 1.0:
            return
        row.opened_us, row.canary, row.base = seen.time_us, seen.canary, self.evidence.base
        row.exchanges, row.sums, row.missing = 0, [0] * self._size, [0] * self._size
        self._units.push(seen.unit)
        self._due = min(self._due, seen.time_us + self._period_us)

    def _report(self, given: Report) -> bool:
        """What was said of a unit's exchange goes to its open period. Returns whether it moved the alarm."""
        row = self._units.get(given.unit)
        if row is None or row.salt != self.state.salt or not row.opened_us or row.canary != given.canary:
            return False
        row.sums[given.place] = min(row.sums[given.place] + given.value, SCALE * row.exchanges)
        outcomes = [given.value * (place == given.place) for place in range(self._size)]
        moved = bool(given.value) and self._first_violations(row, outcomes, canary=given.canary)
        self._units.put(given.unit, row)
        return moved

    def _first_violations(self, row: UnitRow, outcomes: Sequence[int | None], *, canary: bool) -> bool:
        """For the fast alarm; False where there are none, or the unit's arm was known."""
        state, stage = self.state, self.state.stage
        if row.violated_in != stage.number:
            row.violated_in, row.alarmed = stage.number, 0
        violated = self._violated(outcomes, row.alarmed)
        if not violated:
            return False
        row.alarmed |= sum(1 << place for place in violated)
        rho = propensity(state.shares, row.alarm_low, row.alarm_high, stage.share)
        row.alarm_low, row.alarm_high = self._learned(row.alarm_low, row.alarm_high, canary=canary)
        if not 0.0 < rho < 1.0:
            return False
        self.evidence.violation(violated, rho, canary)
        return True

    def _violated(self, outcomes: Sequence[int | None], already: int) -> list[int]:
        return [
            place
            for place, outcome in enumerate(outcomes)
            if outcome and self._alarming[place] and not already >> place & 1
        ]

    def _learned(self, low: int, high: int, *, canary: bool) -> tuple[int, int]:
        """What is known of a unit's bucket after it was counted in this stage."""
        shares, share = self.state.shares, self.state.stage.share
        now = shares.index(share) + 1
        if canary:
            return low, now if not high or share < shares[high - 1] else high
        return now if not low or share > shares[low - 1] else low, high

    def _first_due(self) -> int:
        """When the oldest open period ends."""
        unit = self._units.first()
        row = None if unit is None else self._units.get(unit)
        return _NEVER if row is None else row.opened_us + self._period_us

    def _close_first(self, *, for_worse: bool) -> None:
        unit = self._units.first()
        row = None if unit is None else self._units.get(unit)
        if unit is None or row is None:
            raise LookupError("a period is in the queue, but its unit has no row")
        self._units.pop()
        state = self.state
        rho = propensity(state.shares, row.low, row.high, state.stage.share)
        closing = Closing(row.canary, rho, row.base, row.own, row.exchanges, row.sums, row.missing, for_worse)
        row.low, row.high = self._learned(row.low, row.high, canary=row.canary)
        if not row.canary:
            row.own = own_outcomes(row.sums, row.exchanges)
        row.opened_us, row.exchanges, row.sums, row.missing = 0, 0, [], []
        self._units.put(unit, row)
        self._due = self._first_due()
        self._count(closing)

    def _count(self, closing: Closing) -> None:
        self.evidence.close(closing)
        self.state.stage.closed[closing.canary] += 1

    def _found(self, exchange_id: str) -> Decision | None:
        """What an event that moved evidence leads to at once; `exchange_id`: the violation that moved the alarm."""
        found = decide.worse(self.plan, self.state, self.evidence)
        if isinstance(found, Decision):
            return found
        return decide.alarm(self.plan, self.state, self.evidence, exchange_id) if exchange_id else None

    def _looked(self) -> Decision | None:
        """What the rules say; a wait only when its reason is another one than before."""
        state = self.state
        found = decide.look(self.plan, state, self.evidence)
        if not isinstance(found, Wait):
            return found
        if found.code == state.waits_for:
            return None
        stage = state.stage
        return Decision(
            state.clock_us, "wait", found.reason, stage.share, stage.index, state.status, waits_for=found.code
        )

    def _decide(self, made: Decision) -> Iterator[Decision]:
        """Carry a decision out. Periods end with their stage; those that an advance ends count in both tests."""
        state, stage = self.state, self.state.stage
        self._read = stated(self.plan, state, self.evidence)
        if made.share != stage.share or made.new_salt or made.stage != stage.index:
            by_plan = made.actor == "tipstaff" and made.kind in ("advance", "promote", "redeal")
            while self._due != _NEVER:
                self._close_first(for_worse=by_plan)
            self._enter(made)
        state.status = made.status
        state.waits_for = made.waits_for
        if made.kind == "approve":
            state.approved = stage.index + 1
        if made.kind == "resume":
            state.answered = True
            state.overruled = state.overruled or self.evidence.mean() >= 1 / self.plan.alpha
        if made.status == "promoted" and not state.promoted_us:
            state.promoted_us = made.time_us
        yield made

    def _enter(self, made: Decision) -> None:
        state = self.state
        if made.new_salt:
            state.salt += 1
            state.dealt = max(state.dealt, sum(state.units))
            state.shares, state.units = [], [0, 0]
            self.evidence.restart_mismatch()
        if made.share not in state.shares:
            state.shares.append(made.share)
        if made.stage > state.stage.index:
            self.evidence.enter(made.stage)
        if made.kind != "redeal" and decide.proving(self.plan, made.stage):
            self.evidence.restart_no_worse()
        number = state.stage.number + 1
        if made.kind == "redeal":  # the stage goes on: what it has seen counts
            state.stage = msgspec.structs.replace(
                state.stage, number=number, version=UNKNOWN, dealt_us=made.time_us
            )
        else:
            state.stage = new_stage(made.stage, number, made.share, made.time_us, self._size)


def _add(row: UnitRow, seen: Observation) -> None:
    row.exchanges += 1
    for place, outcome in enumerate(seen.outcomes):
        if outcome is None:
            row.missing[place] += 1
        elif outcome:
            row.sums[place] += outcome
