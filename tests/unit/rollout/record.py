"""A rollout driven as the controller does it, and the record that it leaves."""

import random
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from gateway.rollout.commands import Refused
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Command, Health, Input, Observation, Silence
from gateway.rollout.plan import Plan, parse
from gateway.rollout.replay import Recorded
from gateway.rollout.start import begin
from gateway.rollout.state import UNKNOWN
from gateway.rollout.units import MemoryUnits
from tests.support.engine import BEGINNING, START
from tests.support.plans import QUICK

PLAN = parse(QUICK)


class Live:
    """One rollout. `observations`, `inputs`, `recorded`: what is left of it."""

    def __init__(self, seed: int = 1, plan: Plan = PLAN, *, users: int = 3000, bad: float = 0.02) -> None:
        state, made = begin(plan, BEGINNING)
        state.passed_us = START
        self.engine = Engine(plan, state, MemoryUnits())
        self.observations: list[Observation] = []
        self.inputs: list[Input] = []
        self.recorded: list[Recorded] = []
        self.bad = bad
        self.now_us = START
        self._users = users
        self._plan = plan
        self._random = random.Random(seed)
        self._record([made])

    def run(self, seconds: float, rate: float = 40.0) -> None:
        until = self.now_us + round(seconds * 1e6)
        while self.now_us < until:
            self.now_us += round(1e6 / rate)
            seen = self._observation()
            self.observations.append(seen)
            self._record(self.engine.observe(seen))
            if self._random.random() < 0.02:  # batches end where they end
                self._record(self.engine.advance(self.now_us))

    def give(self, given: Input) -> None:
        self._record(self.engine.advance(given.time_us))
        self.inputs.append(given)
        try:
            self._record(self.engine.take(given))
        except Refused:
            return

    def say(self, action: str) -> None:
        self.give(Command(self.now_us, action, "ann", "because"))  # type: ignore[arg-type]

    def know(self, *, healthy: float = 1.0, blind: float | None = None) -> None:
        self.give(Health(self.now_us, healthy, healthy) if blind is None else Silence(self.now_us, blind))

    def end(self) -> int:
        self._record(self.engine.advance(self.now_us))
        return self.now_us

    def kinds(self) -> list[str]:
        return [made.kind for made in self.recorded if made.kind != "wait"]

    def _observation(self) -> Observation:
        state = self.engine.state
        unit = self._random.randrange(self._users)
        place = blake2b(b"%d %d" % (unit, state.salt), digest_size=8).digest()
        canary = int.from_bytes(place, "big") / 2**64 < state.stage.share
        violates = self._random.random() < (self.bad if canary else 0.02)
        return Observation(
            self.now_us,
            f"{self.now_us:032x}",
            unit.to_bytes(16, "big"),
            True,  # noqa: FBT003 - an array-like struct
            canary,
            state.stage.version,
            (1000 * violates, 0),
            1000 * violates,
        )

    def _record(self, decisions: Iterator[Decision] | Sequence[Decision]) -> None:
        for made in decisions:
            state = self.engine.state
            version = (1, 100 + len(self.recorded))
            if state.stage.version == UNKNOWN:
                self.engine.applied(version)
            self.recorded.append(
                Recorded(
                    time_us=made.time_us,
                    kind=made.kind,
                    actor=made.actor,
                    reason=made.reason,
                    share=made.share,
                    stage=made.stage,
                    version=version,
                    waits_for=made.waits_for,
                    exchanges=made.exchanges,
                    evidence=self.engine.read,
                )
            )
