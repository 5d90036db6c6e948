"""One rollout that goes on: its engine, its units, and what a step of it leaves for the store."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from classifiers.constitution import Constitution
from gateway.controller import kept_rollout, opening
from gateway.controller.kept_rollout import Kept
from gateway.controller.opening import Opening
from gateway.controller.outcomes import Pins, Reading
from gateway.controller.rollout_series import Standing
from gateway.controller.stored_units import StoredUnits
from gateway.controller.tables import Saving
from gateway.controller.weights import Change, by_rollout, put_back
from gateway.core.routing import ModelRoute
from gateway.events.schema import DecisionV1, VerdictV1, WeightChanged
from gateway.ports import Head, Positions, RolloutStep, StateStore
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Input
from gateway.rollout.state import ENDED, UNKNOWN
from gateway.rollout.summary import labels_said, stated

_LAST = "~"
"""Sorts after every exchange id."""


class Running:
    """See the module. Not for two threads at once."""

    def __init__(self, kept: Kept, store: StateStore, constitution: Constitution) -> None:
        self.kept = kept
        self.units = StoredUnits(store, kept.state.rollout, kept.opened)
        self.engine = Engine(kept.terms.plan, kept.state, self.units)
        self._constitution = constitution
        self._reading = self._made_reading()
        self._inputs: list[bytes] = []
        self.mark = max(kept.state.counted, (kept.state.passed_us, _LAST))
        """(canonical time, exchange id): what is read next of the verdicts comes after it."""

    @property
    def model(self) -> str:
        """Whose rollout it is."""
        return self.kept.state.model

    @property
    def ended(self) -> bool:
        """Whether it is over, also for an operator."""
        return self.kept.state.status in ENDED

    def observe(self, events: Iterable[VerdictV1]) -> Iterator[Decision]:
        """Verdicts in canonical order; act on each decision before asking for the next."""
        for event in events:
            if not self.kept.terms.pins.evaluators and event.verdict.evaluators:
                self._pin(event)
            seen = self._reading.observation(event)
            if seen is None or not seen.counts:
                self._leave_out("of a third arm" if seen is None else _why(event))
            if seen is not None:
                yield from self.engine.observe(seen)
            self.mark = (event.time_us, event.exchange_id)

    def advance(self, time_us: int) -> Iterator[Decision]:
        """Everything up to this time has been observed."""
        self.mark = max(self.mark, (time_us, _LAST))
        yield from self.engine.advance(time_us)

    def opened(self, given: Opening) -> None:
        """What it began with; it is in the store with the first step."""
        self._inputs.append(opening.encode(given))

    def take(self, given: Input) -> Iterator[Decision]:
        """An input; it is in the store with the next step, also one that was refused: it moved time all the same.

        What time brings before it is saved without it: a crash between the two would leave an input that a
        replay obeys and this rollout never did.
        """
        yield from self.engine.advance(given.time_us)
        self._inputs.append(opening.encode(given))
        yield from self.engine.take(given)

    @property
    def has_inputs(self) -> bool:
        """Inputs that no step has taken to the store yet."""
        return bool(self._inputs)

    def saving(
        self,
        moved: Head,
        made: Decision | None,
        route: ModelRoute,
        positions: Positions,
        salt: Callable[[], bytes],
        now_us: int,
    ) -> Saving:
        """What is to be saved now, with the decision `made`.

        `moved`: the head that this leads to; `positions`: what had been read of each producer; `now_us`: the wall
        clock's time.
        """
        change = None if made is None else self._change(made, route, salt)
        if made is not None:
            by = "tipstaff" if made.actor == "tipstaff" else "operator"
            self.kept.last_decisions[made.kind] = (by, now_us)
        if self.engine.state.stage.version == UNKNOWN:
            self.engine.applied((moved.epoch, moved.version))
        decisions = [] if made is None else [self._event(made, route, change, moved, positions)]
        return Saving(change, decisions, [self.step()])

    def step(self) -> RolloutStep:
        """Its state as it is now."""
        self.engine.sync()
        self.kept.opened = self.units.last
        return RolloutStep(
            rollout=self.kept.state.rollout,
            model=self.model,
            state=kept_rollout.encode(self.kept),
            ended=self.ended,
            units=self.units.changes(),
            inputs=tuple(self._inputs),
        )

    def saved(self) -> None:
        """The last step is in the store."""
        self.units.saved()
        self._inputs.clear()

    def _change(self, made: Decision, route: ModelRoute, salt: Callable[[], bytes]) -> Change | None:
        terms = self.kept.terms
        if not {terms.stable, terms.canary} <= {each.arm for each in route.arms}:
            return None  # the configuration has taken an arm out, and with it its weight
        if terms.route is not None and self.ended:
            return put_back(self.model, route, terms.route, made)
        if not made.new_salt and made.share == route.weight(terms.canary):
            return None
        if self.kept.state.drill:
            made = msgspec.structs.replace(made, reason=f"drill: {made.reason}")
        dealt = salt() if made.new_salt else None
        return by_rollout(self.model, route, (terms.stable, terms.canary), made.share, dealt, made)

    def _event(
        self, made: Decision, route: ModelRoute, change: Change | None, moved: Head, positions: Positions
    ) -> DecisionV1:
        self.kept.decided += 1
        state, terms = self.kept.state, self.kept.terms
        before = {share.arm: share.weight for share in route.arms}
        after = (
            before
            if change is None or change.after is None
            else {share.arm: share.weight for share in change.after.arms}
        )
        return DecisionV1(
            id=f"{state.rollout}-{self.kept.decided}",
            time_us=made.time_us,
            model=self.model,
            decided_by="decision" if made.actor == "tipstaff" else "operator",
            actor=made.actor,
            reason=made.reason,
            weights=WeightChanged(before, after),
            table_version=moved.version,
            previous="",
            kind=made.kind,
            rollout=state.rollout,
            stage=made.stage,
            rests_on=terms.rests_on,
            evidence=self.engine.read,
            positions=dict(positions),
            watermark_us=state.clock_us,
            exchanges=made.exchanges,
            table_epoch=moved.epoch,
            waits_for=made.waits_for,
            drill=state.drill,
            labels=labels_said(made, state),
        )

    def standing(self) -> Standing:
        """As it is now."""
        return Standing.of(self.kept, stated(self.kept.terms.plan, self.kept.state, self.engine.evidence))

    def _leave_out(self, why: str) -> None:
        self.kept.left_out[why] = self.kept.left_out.get(why, 0) + 1

    def _pin(self, event: VerdictV1) -> None:
        """The classifiers that the first verdict names are those of this rollout."""
        terms = self.kept.terms
        pins = Pins(terms.pins.constitution, event.verdict.evaluators)
        named = " ".join(f"{name}={version}" for name, version in sorted(pins.evaluators.items()))
        self.kept.terms = msgspec.structs.replace(
            terms, pins=pins, rests_on={**terms.rests_on, "classifiers": named}
        )
        self._reading = self._made_reading()

    def _made_reading(self) -> Reading:
        terms = self.kept.terms
        return Reading(
            terms.plan,
            self._constitution,
            arms=(terms.stable, terms.canary),
            pins=terms.pins,
            drill=self.kept.state.drill,
        )


def _why(event: VerdictV1) -> str:
    """Why a verdict of one of both arms is no evidence."""
    return "forced" if event.assignment.forced else "read by another constitution or other classifiers"
