"""The level alarms of all models, between rollouts and during them: fed from the index, hour by hour.

What is kept is what was known when an hour was closed; the hour under way is read again after a restart.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec
import structlog

from classifiers.constitution import Constitution
from classifiers.verdict import Finding
from gateway.controller.index import ExchangeIndex
from gateway.controller.notification import LevelAlarm
from gateway.events.schema import VerdictV1
from gateway.ports import Clock, StateStore
from gateway.rollout import watch as rules
from gateway.rollout.watch import HOUR_US, Outcome, Raised, Watch
from gateway.settings import Model

log = structlog.get_logger(__name__)

_BATCH = 2000
_LAST = "~"
"""Sorts after every exchange id."""

_Counts = dict[str, list[int]]
"""Principle -> answers evaluated, answers that violated it."""


class Shown(msgspec.Struct, frozen=True):
    """One alarm as it stands. `raised_us` 0: it is not raised; `rate`: mean outcome when it was."""

    model: str
    arm: str
    principle: str
    budget: float
    raised_us: int
    rate: float


class UnknownAlarm(Exception):
    """There is no such alarm, or it is not raised."""


class Levels:
    """See the module. `step` from one thread; the others from any. `tell` hears of an alarm once it is saved."""

    def __init__(
        self,
        store: StateStore,
        index: ExchangeIndex,
        models: Mapping[str, Model],
        constitution: Constitution,
        clock: Clock,
        tell: Callable[[LevelAlarm], None],
    ) -> None:
        self._store = store
        self._index = index
        self._tell = tell
        self._lock = threading.Lock()
        since = clock.now_us() - rules.DAYS * 24 * HOUR_US
        self._watched = {
            name: _Watched(name, model, store, index, constitution, since) for name, model in models.items()
        }

    def step(self, until_us: int) -> int:
        """Take in what the index holds up to then, at most a batch of each model; returns how much there was.

        Raises StateStore's and the index's errors.
        """
        return sum(self._advance(each, until_us) for each in self._watched.values())

    def shown(self) -> list[Shown]:
        """Every alarm that watches, by model, arm and principle."""
        with self._lock:
            return [shown for each in self._watched.values() for shown in each.shown()]

    def acknowledge(self, model: str, arm: str, principle: str) -> None:
        """It begins anew. Raises UnknownAlarm, and StateStore's errors."""
        with self._lock:
            watched = self._watched.get(model)
            if watched is None or not rules.acknowledge(watched.watch, arm, principle):
                raise UnknownAlarm(f"no alarm is raised for {principle!r} on {arm!r} of {model!r}")
            watched.save()

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """What a unit did in the hour under way becomes another's."""
        with self._lock:
            for watched in self._watched.values():
                watched.rename_unit(unit, to)

    def _advance(self, watched: "_Watched", until_us: int) -> int:
        events = self._index.in_order(watched.name, watched.mark, until_us, _BATCH)
        with self._lock:
            for event in events:
                watched.take(event)
            if len(events) < _BATCH:
                watched.close_before(until_us)
            told = watched.saved()
        for alarm in told:
            log.warning(
                "level alarm", model=alarm.model, arm=alarm.arm, principle=alarm.principle, said=alarm.reason
            )
            self._tell(alarm)
        return len(events)


class _Watched:
    """One model, its watch, and the hour under way."""

    def __init__(
        self,
        name: str,
        model: Model,
        store: StateStore,
        index: ExchangeIndex,
        rules_in_force: Constitution,
        since: int,
    ) -> None:
        self.name = name
        self._model = model
        self._store = store
        self._constitution = rules_in_force.hash
        kept = store.named(self._key)
        if kept is None:
            first = index.first_hour(name, since)
            self.watch = Watch(hour=(since if first is None else first) // HOUR_US)
        else:
            self.watch = msgspec.msgpack.decode(kept, type=Watch)
        self.mark = (self.watch.hour * HOUR_US - 1, _LAST)
        """(canonical time, exchange id): what is read next comes after it."""
        self._units: dict[tuple[str, bytes], _Counts] = {}
        self._closed = False
        self._raised: list[Raised] = []

    @property
    def _key(self) -> str:
        return f"levels/{self.name}"

    def take(self, event: VerdictV1) -> None:
        """The next verdict in canonical order."""
        self.close_before(event.time_us)
        self.mark = (event.time_us, event.exchange_id)
        assigned, verdict = event.assignment, event.verdict
        if (
            assigned.forced
            or assigned.assigned not in self._model.arms
            or verdict.constitution != self._constitution
        ):
            return
        self._made_by(verdict.evaluators)
        counts = self._units.setdefault((assigned.assigned, assigned.unit_hash), {})
        for found in verdict.findings:
            if found.finding is not Finding.NOT_EVALUATED:
                count = counts.setdefault(found.principle, [0, 0])
                count[0] += 1
                count[1] += found.finding is Finding.VIOLATES

    def rename_unit(self, unit: bytes, to: bytes) -> None:
        """What it did in the hour under way becomes another's."""
        for arm, known in list(self._units):
            if known == unit:
                self._units[arm, to] = self._units.pop((arm, unit))

    def close_before(self, time_us: int) -> None:
        """Close every hour that ended before then."""
        while (self.watch.hour + 1) * HOUR_US <= time_us:
            if not self._units:  # an idle night, or a week: nothing to take in
                self.watch.hour = time_us // HOUR_US
                return
            self._raised += rules.close(self.watch, self._outcomes(), len(self._model.arms))
            self._units = {}
            self._closed = True

    def saved(self) -> list[LevelAlarm]:
        """Save what was closed; what is to be told of it, once. Raises StateStore's errors; the next call tells."""
        if self._closed:
            self.save()
        told, self._raised = [self._alarm(each) for each in self._raised], []
        return told

    def save(self) -> None:
        """As it is. Raises StateStore's errors."""
        self._store.keep(self._key, msgspec.msgpack.encode(self.watch))
        self._closed = False

    def shown(self) -> Iterator[Shown]:
        """Its alarms."""
        for arm, of_arm in self.watch.alarms.items():
            for principle, alarm in of_arm.items():
                yield Shown(self.name, arm, principle, alarm.level.budget, alarm.raised_us, alarm.rate)

    def _made_by(self, evaluators: Mapping[str, str]) -> None:
        named = " ".join(f"{name}={version}" for name, version in sorted(evaluators.items()))
        made_with = f"{self._constitution} {named}"
        if named and made_with != self.watch.made_with:
            rules.unlearn(self.watch, made_with)
            self._units = {}

    def _outcomes(self) -> Iterator[Outcome]:
        for (arm, _), counts in self._units.items():
            for principle, (evaluated, violated) in counts.items():
                yield Outcome(arm, principle, violated / evaluated)

    def _alarm(self, raised: Raised) -> LevelAlarm:
        alarm = self.watch.alarms[raised.arm][raised.principle]
        return LevelAlarm(
            time_us=alarm.raised_us,
            model=self.name,
            arm=raised.arm,
            version=self._model.arms[raised.arm].version,
            principle=raised.principle,
            rate=alarm.rate,
            budget=alarm.level.budget,
        )
