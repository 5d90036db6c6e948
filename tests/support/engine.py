"""A rollout's engine under made-up traffic, driven as the controller drives it: each change is in force at once."""

import random
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import SCALE, Action, Command, Input, Observation
from gateway.rollout.plan import Plan, parse
from gateway.rollout.start import Beginning, begin
from gateway.rollout.state import UNKNOWN
from gateway.rollout.units import MemoryUnits
from tests.support.plans import QUICK

START = 1_700_000_000_000_000
"""A quarter past ten in the evening, UTC."""
BEGINNING = Beginning(rollout="r", model="m", before="1", after="2", time_us=START, actor="ann", reason="a try")


def quick(**changes: object) -> Plan:
    """QUICK, and `changes` to it as a configuration would have them."""
    return parse({**QUICK, **changes})


class Users(msgspec.Struct, kw_only=True):
    """Who sends what; pairs are (stable, canary). May be changed while a rollout runs.

    `heavy`: share of the traffic that one user makes; `temper`: how often that one is answered badly, on either
    arm. `passing`: units are single requests. `dealt`: the canary's share, as a multiple of what it should be.
    """

    count: int = 3000
    per_second: float = 40.0
    harm: tuple[float, float] = (0.02, 0.02)
    errors: tuple[float, float] = (0.0, 0.0)
    unscored: tuple[float, float] = (0.0, 0.0)
    failed_over: tuple[float, float] = (0.0, 0.0)
    heavy: float = 0.0
    temper: float = 0.02
    passing: bool = False
    dealt: float = 1.0


class Drive:
    """One rollout. `events`: everything that it was given, in order; `made`: what was decided."""

    def __init__(
        self, plan: Plan, users: Users | None = None, *, seed: int = 1, beginning: Beginning = BEGINNING
    ) -> None:
        state, _ = begin(plan, beginning)
        self.plan = plan
        self.users = users or Users()
        self.units = MemoryUnits()
        self.engine = Engine(plan, state, self.units)
        self.events: list[Observation | Input] = []
        self.made: list[Decision] = []
        self.now_us = beginning.time_us
        self._seed = seed
        self._random = random.Random(seed)
        self._number = 0
        put_in_force(self.engine, 0)

    def run(self, seconds: float) -> None:
        """So much traffic."""
        until = self.now_us + round(seconds * 1e6)
        while self.now_us < until:
            self.now_us += round(1e6 / self.users.per_second)
            self.see(self._somebody())
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Time without traffic."""
        self.now_us += round(seconds * 1e6)
        self._take(self.engine.advance(self.now_us))

    def see(self, seen: Observation) -> None:
        self.events.append(seen)
        self._take(self.engine.observe(seen))

    def give(self, given: Input) -> None:
        self.events.append(given)
        self._take(self.engine.take(given))

    def say(self, action: Action) -> None:
        self.give(Command(self.now_us, action, "ann", "because"))

    def seen(
        self, unit: int, *, canary: bool, violates: bool = False, version: tuple[int, int] | None = None
    ) -> Observation:
        """What `unit` gets a tenth of a second later, under the table in force; nobody has looked at it yet."""
        self.now_us += 100_000
        return self._observation(unit, canary=canary, outcomes=(SCALE * violates, 0), version=version)

    def kinds(self) -> list[str]:
        """What was changed."""
        return [made.kind for made in self.made if made.kind != "wait"]

    def waits(self) -> list[str]:
        """What was waited for."""
        return [made.waits_for for made in self.made if made.kind == "wait"]

    def bucket(self, unit: int) -> float:
        """Where the salt in force puts a unit, in [0, 1): below the canary's share is on the canary."""
        digest = blake2b(b"%d %d %d" % (self._seed, self.engine.state.salt, unit), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def _somebody(self) -> Observation:
        users, chance = self.users, self._random
        heavy = chance.random() < users.heavy
        self._number += 1
        unit = self._number if users.passing else 0 if heavy else chance.randrange(1, users.count)
        canary = self.bucket(unit) < self.engine.state.stage.share * users.dealt
        harm = users.temper if heavy else users.harm[canary]
        outcomes = (SCALE * (chance.random() < harm), SCALE * (chance.random() < users.errors[canary]))
        scored = chance.random() >= users.unscored[canary]
        failed_over = chance.random() < users.failed_over[canary]
        return self._observation(
            unit, canary=canary, outcomes=outcomes if scored else None, failed_over=failed_over
        )

    def _observation(
        self,
        unit: int,
        *,
        canary: bool,
        outcomes: tuple[int, int] | None,
        failed_over: bool = False,
        version: tuple[int, int] | None = None,
    ) -> Observation:
        return Observation(
            time_us=self.now_us,
            exchange_id=f"{self.now_us:032x}",
            unit=unit.to_bytes(16, "big"),
            returns=not self.users.passing,
            canary=canary,
            version=version or self.engine.state.stage.version,
            outcomes=outcomes or (None, None),
            harm=outcomes and outcomes[0],
            failed_over=failed_over,
        )

    def _take(self, decisions: Iterator[Decision]) -> None:
        for made in decisions:
            self.made.append(made)
            put_in_force(self.engine, len(self.made))


def put_in_force(engine: Engine, number: int) -> None:
    """What the decision with this number said, 0 for the start, is in the table: under a version that rises."""
    if engine.state.stage.version == UNKNOWN:
        engine.applied((1, 100 + number))
