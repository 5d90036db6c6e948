"""Every model's rollout: fed from the index in canonical order, commanded by operators, saved step by step.

After any failure to save, what is in memory is thrown away and read from the store again, as after a crash: so
there is one way to go on, and it is the one that a kill -9 takes.
"""

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from os import urandom

import msgspec
import structlog

from classifiers.constitution import Constitution
from gateway.controller import kept_rollout
from gateway.controller.index import ExchangeIndex
from gateway.controller.kept_rollout import Kept, Terms
from gateway.controller.opening import opening
from gateway.controller.outcomes import Pins
from gateway.controller.rollout_series import Standing
from gateway.controller.running import Running
from gateway.controller.tables import Saving, Tables, refuse_elsewhere
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1, VerdictV1
from gateway.ports import Clock, Head, StateStore
from gateway.rollout.commands import Refused
from gateway.rollout.decision import Decision
from gateway.rollout.observation import Action, Command, Input, Report, Reports
from gateway.rollout.plan import Plan, identity
from gateway.rollout.start import Beginning, begin
from gateway.settings import Model

log = structlog.get_logger(__name__)

_SAVE_SECONDS = 1.0
_BATCH = 2000
_FORGOTTEN = 5000


class UnknownRollout(Exception):
    """The model has none."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator, or the configuration, wants started. `stable`, `canary`: arms of `model`.

    `again`: also when a rollout of the same versions and plan has ended before. `drill`: share of the canary's
    answers that are taken as harmful.
    """

    model: str
    stable: str
    canary: str
    plan: Plan
    actor: str
    reason: str
    again: bool = False
    drill: float = 0.0
    unscored: Sequence[float] = ()
    served: dict[str, str] = {}


class Rollouts:
    """See the module. Its methods may be called from any thread. `on_decision` hears of each after it was saved."""

    def __init__(
        self,
        store: StateStore,
        tables: Tables,
        index: ExchangeIndex,
        models: Mapping[str, Model],
        constitution: Constitution,
        clock: Clock,
        *,
        on_decision: Callable[[DecisionV1], None] = lambda _: None,
        entropy: Callable[[int], bytes] = urandom,
    ) -> None:
        self._store = store
        self._tables = tables
        self._index = index
        self._models = models
        self._constitution = constitution
        self._clock = clock
        self._on_decision = on_decision
        self._entropy = entropy
        self._lock = threading.RLock()
        self._running: dict[str, Running] = {}
        self._watermark_us = 0
        self._saved_at = float("-inf")
        self._dirty = False
        self.changes = 0
        """It grows whenever another rollout may have become a model's last one that has ended."""
        self.load()

    def load(self) -> None:
        """What the store says; whatever was in memory is forgotten."""
        with self._lock:
            kept = (kept_rollout.decode(found.state) for found in self._store.rollouts() if not found.ended)
            self._running = {
                each.state.model: Running(each, self._store, self._constitution)
                for each in kept
                if each.state.model in self._models
            }
            self._dirty = False
            self.changes += 1

    def running(self, model: str) -> Running | None:
        """The rollout that goes on for a model; None: there is none."""
        return self._running.get(model)

    def all_running(self) -> list[Running]:
        """Every rollout that goes on."""
        return list(self._running.values())

    @property
    def watermark_us(self) -> int:
        """How far canonical time is known; 0 before anything is."""
        return self._watermark_us

    def last(self, model: str, *, drills: bool = True) -> Kept | None:
        """A model's newest rollout, also when it ended; `drills`: also if it is one."""
        with self._lock:
            running = self._running.get(model)
            if running is not None:
                return running.kept
            states = [found.state for found in self._store.rollouts() if found.model == model]
        kept = (kept_rollout.decode(state) for state in reversed(states))
        return next((each for each in kept if drills or not each.state.drill), None)

    def snapshot(self, model: str) -> Kept | None:
        """`last`, as a copy of its own that nothing moves any more, with its evidence in it."""
        with self._lock:
            running = self._running.get(model)
            if running is None:
                return self.last(model)
            running.engine.sync()
            return kept_rollout.decode(kept_rollout.encode(running.kept))

    def standing(self, model: str) -> Standing | None:
        """What the rollout that goes on has come to, as it is now; None: there is none."""
        with self._lock:
            running = self._running.get(model)
            return None if running is None else running.standing()

    def advance(self, watermark_us: int) -> bool:
        """Take in what the index holds up to the watermark; returns whether there may be more of it at once.

        Raises StateStore's and the index's errors.
        """
        with self._lock, self._or_reload():
            self._watermark_us = max(watermark_us, self._watermark_us)
            more = [self._advance(running) for running in list(self._running.values())]
            if self._clock.monotonic() - self._saved_at >= _SAVE_SECONDS:
                self._save_all()
            return any(more)

    def _advance(self, running: Running) -> bool:
        events, full = _whole(self._index.in_order(running.model, running.mark, self._watermark_us, _BATCH))
        running.units.read_ahead(event.assignment.unit_hash for event in events)
        for made in running.observe(events):
            self._save(running, made)
        if not full:
            for made in running.advance(self._watermark_us):
                self._save(running, made)
        self._dirty = self._dirty or bool(events)
        self._let_go(running)
        return full

    def _save_all(self) -> None:
        """Without a decision: what was taken in since the last one."""
        if self._dirty and self._running:
            steps = [running.step() for running in self._running.values()]
            self._tables.save_with(lambda _: Saving(steps=steps))
            for running in self._running.values():
                running.saved()
        self._saved_at, self._dirty = self._clock.monotonic(), False

    def forget_some(self) -> None:
        """A piece of the room that ended rollouts still take."""
        self._store.forget_some(_FORGOTTEN)

    def open_since(self) -> int:
        """When the oldest of those that go on began, microseconds; sys.maxsize: none goes on."""
        return min((running.kept.state.started_us for running in self.all_running()), default=sys.maxsize)

    def read_to(self) -> dict[str, int]:
        """Canonical time, by model, up to which a rollout has read verdicts, as the store has it from now on.

        Raises StateStore's errors.
        """
        with self._lock, self._or_reload():
            self._dirty = True
            self._save_all()
            return {model: running.mark[0] for model, running in self._running.items()}

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """What every rollout knows of a unit becomes known of another. Raises StateStore's errors."""
        with self._lock, self._or_reload():
            self._store.rename_unit(unit, to)
            self.load()

    def start(self, order: Order) -> Kept:
        """Start a rollout. Raises Refused with what is in the way, and StateStore's errors."""
        with self._lock, self._or_reload():
            name = self._checked(order)
            now = max(self._watermark_us, 1) if self._watermark_us else self._clock.now_us()
            beginning = Beginning(
                rollout=name,
                model=order.model,
                before=self._version(order.model, order.stable),
                after=self._version(order.model, order.canary),
                time_us=now,
                actor=order.actor,
                reason=order.reason,
                unscored=order.unscored,
                drill=order.drill,
                back=self._tables.current().models[order.model].weight(order.canary) if order.drill else 0.0,
            )
            state, made = begin(order.plan, beginning)
            state.passed_us = now
            running = Running(Kept(self._terms(order, beginning), state), self._store, self._constitution)
            running.opened(opening(beginning, order.plan, order.stable, order.canary, self._constitution))
            self._save(running, made)
            self._running[order.model] = running
            return running.kept

    def command(self, model: str, action: Action, actor: str, reason: str) -> Kept:
        """An operator's word. Raises UnknownRollout, Elsewhere, Refused, and StateStore's errors."""
        with self._lock:
            running = self._running.get(model)
            refuse_elsewhere(self._tables, found=running is not None)
            if running is None:
                way = f"its weights are set with tipstaff weights {model} ARM=PERCENT"
                raise UnknownRollout(f"no rollout is under way for {model!r}; {way}")
            if action == "undo" and running.kept.terms.stable not in self._models[model].arms:
                raise Refused(f"the configuration has no arm {running.kept.terms.stable!r} to go back to")
            self.give(running, Command(self._now(running), action, actor, reason))
            return running.kept

    def stop_changed(self) -> None:
        """Take back every rollout of versions that the configuration no longer has: its evidence would not speak of
        what users get. One that is promoted stays: the configuration follows it.
        """
        with self._lock:
            for running in self.all_running():
                changed = self._changed(running)
                if changed and running.kept.state.status != "promoted":
                    self.give(running, Command(self._now(running), "rollback", "config", changed))

    def _changed(self, running: Running) -> str:
        terms, arms = running.kept.terms, self._models[running.model].arms
        for arm in (terms.stable, terms.canary):
            was = terms.rests_on[arm]
            if arm not in arms:
                return f"the configuration has no arm {arm!r} any more"
            if arms[arm].version != was:
                return f"the configuration has {arm} {arms[arm].version!r} now, and this was about {was!r}"
        return ""

    def inform(self, model: str, make: Callable[[int], Input]) -> None:
        """Something else that may decide: health, silence, labels; `make` gets its canonical time."""
        with self._lock:
            running = self._running.get(model)
            if running is not None and not running.ended:
                self.give(running, make(self._now(running)))

    def report(self, model: str, heard: tuple[int, str], reports: tuple[Report, ...]) -> None:
        """Feedback that was heard up to (time, id) `heard`; both are saved in one step."""
        with self._lock:
            running = self._running.get(model)
            if running is None:
                return
            running.kept.heard = heard
            self._dirty = True
            if reports:
                self.give(running, Reports(self._now(running), reports))

    def give(self, running: Running, given: Input) -> None:
        """Take an input in, and save it with what it leads to."""
        with self._lock, self._or_reload():
            try:
                for made in running.take(given):
                    self._save(running, made)
            except Refused:
                self._save(running, None)
                raise
            if running.has_inputs:  # it led to no decision: it is kept all the same
                self._save(running, None)
            self._let_go(running)

    def reserved(self, model: str) -> str:
        """Why nobody but its rollout may set a model's weights; empty: anybody may."""
        running = self._running.get(model)
        if running is None:
            return ""
        status, what = running.kept.state.status, "drill" if running.kept.state.drill else "rollout"
        words = "finish or undo" if status == "promoted" else "suspend, rollback, promote ..."
        return f"a {what} of {model} is {status}: use tipstaff rollout ({words})"

    def set_weights(
        self, model: str, shares: Mapping[str, float], reason: str, actor: str, expected_version: int | None = None
    ) -> RoutingTable:
        """An operator's weights, where no rollout has the word. Raises Refused, and what Tables does."""
        with self._lock:
            if words := self.reserved(model):
                raise Refused(words)
            return self._tables.set_weights(model, shares, reason, actor, expected_version)

    def _now(self, running: Running) -> int:
        """How far it has read: an input comes after those verdicts, and before all others, also in a replay."""
        return max(running.mark[0], running.kept.state.clock_us)

    def _save(self, running: Running, made: Decision | None) -> None:
        route = self._tables.current().models[running.model]
        positions = {} if made is None else self._index.positions()
        said: list[DecisionV1] = []

        def build(moved: Head) -> Saving:
            saving = running.saving(moved, made, route, positions, lambda: self._entropy(16), self._clock.now_us())
            said.extend(saving.decisions)
            return saving

        self._tables.save_with(build)
        running.saved()
        for decision in said:
            self._on_decision(decision)

    def _let_go(self, running: Running) -> None:
        if running.ended:
            self._running.pop(running.model, None)
            self.changes += 1

    def _checked(self, order: Order) -> str:
        """The rollout's id. Raises Refused."""
        if order.model not in self._models:
            raise Refused(f"no model {order.model!r}: there are {', '.join(self._models)}")
        arms = self._models[order.model].arms
        for arm in (order.stable, order.canary):
            if arm not in arms:
                raise Refused(f"{order.model} has no arm {arm!r}: there are {', '.join(arms)}")
        if order.stable != self._models[order.model].baseline or order.canary == order.stable:
            raise Refused(
                f"a rollout goes from {self._models[order.model].baseline!r}, the first arm, to another one"
            )
        if order.model in self._running:
            raise Refused(f"{self.reserved(order.model) or 'the last rollout waits for finish or undo'}")
        if not self._version(order.model, order.canary):
            raise Refused(f"arm {order.canary!r} has no `version`: give it one, so that a decision can name it")
        if order.drill and all(each.metric != "harm" for each in order.plan.guardrails):
            raise Refused("a drill takes answers as harmful, and this plan has no guardrail on harm")
        return self._named(order)

    def _named(self, order: Order) -> str:
        versions = (self._version(order.model, order.stable), self._version(order.model, order.canary))
        name = identity(order.model, *versions, order.plan) + (".drill" if order.drill else "")
        same = [found for found in self._store.rollouts() if _repeats(found.rollout, name)]
        if same and not order.again and not order.drill:
            status = kept_rollout.decode(same[-1].state).state.status.replace("_", " ")
            raise Refused(f"this rollout has ended ({status}): give {order.canary!r} a new version, or say retry")
        return f"{name}.{len(same)}" if same else name

    def _version(self, model: str, arm: str) -> str:
        return self._models[model].arms[arm].version

    def _terms(self, order: Order, beginning: Beginning) -> Terms:
        route = self._tables.current().models[order.model]
        return Terms(
            plan=order.plan,
            stable=order.stable,
            canary=order.canary,
            pins=Pins(self._constitution.hash, {}),
            rests_on={
                order.stable: beginning.before,
                order.canary: beginning.after,
                "plan": msgspec.json.encode(order.plan).decode(),
                "constitution": self._constitution.hash,
            },
            served=order.served,
            before={share.arm: share.weight for share in route.arms},
            route=route if order.drill else None,
        )

    def _or_reload(self) -> "_OrReload":
        return _OrReload(self.load)


def _repeats(rollout: str, name: str) -> bool:
    """Whether it is `name`, or one of those that came after it: name.1, name.2, ..."""
    first, _, number = rollout.rpartition(".")
    return rollout == name or (first == name and number.isdigit())


def _whole(events: list[VerdictV1]) -> tuple[list[VerdictV1], bool]:
    """A batch that doesn't end within a microsecond, and whether there may be more."""
    if len(events) < _BATCH:
        return events, False
    last = events[-1].time_us
    return [event for event in events if event.time_us < last] or events, True


class _OrReload:
    """Around work on what is in memory: if it fails halfway, the store is read again."""

    def __init__(self, load: Callable[[], None]) -> None:
        self._load = load

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, Refused):
            self._load()
