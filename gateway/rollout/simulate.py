"""A plan's rollout over made-up traffic: the real engine, from the start to where it ends. Pure.

For those who want to know how long a plan would take, and what it would do if the canary were worse; and for the
tests of what docs/statistics.md promises.
"""

from collections.abc import Iterator

import msgspec
import numpy as np

from gateway.rollout.commands import possible
from gateway.rollout.correction import ArmLabels, Stratum, assess
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Action, Command, Input, Labels, Observation, Silence
from gateway.rollout.plan import DAY, Plan
from gateway.rollout.start import Beginning, begin
from gateway.rollout.state import ENDED, RolloutState, exchanges_per_unit
from gateway.rollout.units import MemoryUnits
from gateway.rollout.world import Passing, Source, World

_START_US = 1_700_000_000_000_000
_BEHIND_US = 120_000_000
"""How much too late a late verdict is, at least."""
_SILENCE_SECONDS = 60.0
_LABELS_SECONDS = 300.0


class Made(msgspec.Struct, frozen=True):
    """A decision, and when: seconds from the start, and exchanges until then."""

    at: float
    exchanges: int
    decision: Decision


class Run(msgspec.Struct, frozen=True):
    """One run. `status`: where it ended, or stood when time was over. `at`: seconds, then.

    `promoted`: when the holdout began; None: never. `waits_for`: code -> seconds that it waited for that.
    `excess`: the canary's true violations of the first guardrail beyond what stable would have had there.
    """

    status: str
    at: float
    exchanges: int
    decisions: tuple[Made, ...]
    promoted: float | None
    waits_for: dict[str, float]
    excess: int


class Simulation:
    """One run of `plan` in `world`; the same seed is the same run."""

    def __init__(self, plan: Plan, world: World, seed: int) -> None:
        self._plan = plan
        self._world = world
        self._source = Source(world, plan, seed)
        self._random = np.random.default_rng((seed, 1))
        beginning = Beginning(
            rollout="simulated",
            model="model",
            before="1",
            after="2",
            time_us=_START_US,
            actor="simulation",
            reason="",
            prior=[world.flagged(each.metric) for each in plan.guardrails],
            unscored=[world.unscored] * len(plan.guardrails),
        )
        state, _ = begin(plan, beginning)
        self._engine = Engine(plan, state, MemoryUnits())
        self._engine.applied((1, 1))
        self._version = 1
        self._held: list[Observation] = []
        self._samples = ArmSample(), ArmSample()
        self._labels_owed = 0.0
        self._outages = list(world.outages)
        self._words: list[tuple[float, Action]] = []
        for begin_at, end_at in world.suspended:
            self._words += [(begin_at, "suspend"), (end_at, "resume")]
        self._told_at = 0.0
        self._labels_at = _LABELS_SECONDS
        self._made: list[Made] = []
        self._waits: dict[str, float] = {}
        self._waiting = ("", 0.0)
        self._excess = 0
        self._exchanges = 0

    @property
    def state(self) -> RolloutState:
        """Where it stands."""
        return self._engine.state

    def run(self, days: float) -> Run:
        """Until it ended, was promoted to everyone, waits for an operator, or so many days are over."""
        at = 0.0
        for passing in self._source.exchanges():
            if passing.at >= days * DAY or self._over():
                break
            at = passing.at
            self._pass(passing)
        self._note_wait("", at)
        promoted = next((each.at for each in self._made if each.decision.kind == "promote"), None)
        return Run(self.state.status, at, self._exchanges, tuple(self._made), promoted, self._waits, self._excess)

    def _over(self) -> bool:
        waiting = self.state.status == "suspended" and not self._words
        return waiting or self.state.status in ENDED or self.state.status == "promoted"

    def _pass(self, passing: Passing) -> None:
        if self._words and passing.at >= self._words[0][0]:
            self._say(self._words.pop(0)[1], passing.at)
        seen = self._observation(passing)
        if self._outages and passing.at >= self._outages[0][0]:
            self._hold(seen, passing.at)
            return
        self._see(seen, passing.at)
        if self._world.labels_per_day and passing.at >= self._labels_at:
            self._label(passing.at)

    def _observation(self, passing: Passing) -> Observation:
        state = self.state
        canary = passing.place < state.stage.share
        self._exchanges += 1
        self._excess += canary * (passing.true[1] - passing.true[0])
        outcomes = passing.canary if canary else passing.stable
        if self._world.labels_per_day:
            self._samples[canary].count(flagged=bool(outcomes[0]), violates=passing.true[canary])
        return Observation(
            time_us=_START_US + 1 + round(passing.at * 1e6),
            exchange_id=f"{self._exchanges:016x}",
            unit=passing.unit,
            returns=not self._world.request_units,
            canary=canary,
            version=state.stage.version,
            outcomes=outcomes,
            harm=outcomes[0],
        )

    def _say(self, word: Action, at: float) -> None:
        """An operator's word, where it can be said."""
        if word in possible(self.state):
            self._take(Command(self.state.clock_us, word, "simulation", "as the world has it"), at)

    def _hold(self, seen: Observation, at: float) -> None:
        """Nothing is scored: verdicts come when the outage is over, in their order; silence is told meanwhile."""
        began, ended = self._outages[0]
        self._held.append(seen)
        if at < ended:
            if at - self._told_at >= _SILENCE_SECONDS:
                self._told_at = at
                self._take(Silence(self.state.clock_us, at - began), at)
            return
        self._outages.pop(0)
        held, self._held = self._held, []
        for each in held:
            self._see(each, at)
        self._take(Silence(self.state.clock_us, 0.0), at)

    def _see(self, seen: Observation, at: float) -> None:
        self._act(self._engine.observe(seen), at)
        world = self._world
        if world.repeated and self._random.random() < world.repeated:
            self._act(self._engine.observe(seen), at)
        if world.late and self._random.random() < world.late:
            late = msgspec.structs.replace(
                seen, time_us=seen.time_us - _BEHIND_US, exchange_id=f"late-{seen.exchange_id}"
            )
            self._act(self._engine.observe(late), at)

    def _label(self, at: float) -> None:
        self._labels_at = at + _LABELS_SECONDS
        self._labels_owed += self._world.labels_per_day * _LABELS_SECONDS / DAY / 4
        number = int(self._labels_owed)
        self._labels_owed -= number
        for sample in self._samples:
            sample.label(number, self._random)
        stable, canary = (sample.counted() for sample in self._samples)
        found = assess(stable, canary, self._plan.guardrails[0].margin, exchanges_per_unit(self.state))
        self._take(Labels(self.state.clock_us, found.labels, found.veto, found.said), at)

    def _take(self, given: Input, at: float) -> None:
        self._act(self._engine.take(given), at)

    def _act(self, made: Iterator[Decision], at: float) -> None:
        """Each decision's table is in force at once."""
        for decision in made:
            self._version += 1
            self._engine.applied((1, self._version))
            self._note_wait(decision.waits_for, at)
            if decision.kind != "wait":
                self._made.append(Made(at, self._exchanges, decision))
            if decision.new_salt:
                self._source.deal()

    def _note_wait(self, code: str, at: float) -> None:
        before, since = self._waiting
        if before:
            self._waits[before] = self._waits.get(before, 0.0) + at - since
        self._waiting = (code, at)


class ArmSample:
    """One arm's exchanges by flag and by whether they violate, and those of them that people have labelled."""

    def __init__(self) -> None:
        self._left = {True: [0, 0], False: [0, 0]}
        """By flag: upheld, violating; not labelled yet."""
        self._labelled = {True: [0, 0], False: [0, 0]}

    def count(self, *, flagged: bool, violates: bool, number: int = 1) -> None:
        """So many more exchanges."""
        self._left[flagged][violates] += number

    def label(self, number: int, random: np.random.Generator) -> None:
        """So many more labels in each stratum, as far as it has exchanges; without replacement."""
        for flagged, left in self._left.items():
            taken = min(number, sum(left))
            violating = int(random.hypergeometric(left[1], left[0], taken))
            for place, drawn in enumerate((taken - violating, violating)):
                left[place] -= drawn
                self._labelled[flagged][place] += drawn

    def counted(self) -> ArmLabels:
        """By now."""
        return ArmLabels(self._stratum(flagged=True), self._stratum(flagged=False))

    def _stratum(self, *, flagged: bool) -> Stratum:
        labels = self._labelled[flagged]
        return Stratum(sum(labels) + sum(self._left[flagged]), sum(labels), labels[1])
