"""A drill goes through the rules as a real rollout does, is never promoted, and ends where it began."""

from typing import Any

import msgspec
import pytest

from gateway.rollout.commands import Refused, possible
from gateway.rollout.engine import Engine
from gateway.rollout.forecast import forecast
from gateway.rollout.observation import Action, Command
from gateway.rollout.plan import parse
from gateway.rollout.start import begin
from gateway.rollout.state import ENDED
from gateway.rollout.units import MemoryUnits
from tests.support.engine import BEGINNING, START
from tests.unit.rollout.record import PLAN

DRILL = msgspec.structs.replace(BEGINNING, drill=0.2, back=0.05)
SECOND = 1_000_000
HOUR = 3600 * SECOND


class Quiet:
    """A drill that sees nobody; each decision as (kind, share, status)."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 - of the plan
        self.plan = parse({**msgspec.to_builtins(PLAN), "minimum_units": 0, **changes})
        state, _ = begin(self.plan, DRILL)
        self.engine = Engine(self.plan, state, MemoryUnits())

    @property
    def status(self) -> str:
        return self.engine.state.status

    def run(self, until_us: int) -> list[tuple[str, float, str]]:
        made = self.engine.advance(START + until_us)
        return [(each.kind, each.share, each.status) for each in made if each.kind != "wait"]

    def say(self, action: Action) -> list[float]:
        return [made.share for made in self.engine.take(Command(self.engine.state.clock_us, action, "ann", "so"))]


def test_it_ends_at_max_duration() -> None:
    assert Quiet(max_duration=60).run(HOUR)[-1] == ("stop", 0.05, "stopped")


def test_a_suspended_one_that_nobody_comes_back_to_ends_too() -> None:
    drill = Quiet(max_duration=600)
    assert drill.say("suspend") == [0.0]
    assert drill.run(599 * SECOND) == []
    assert drill.run(HOUR) == [("stop", 0.05, "stopped")]


def test_an_operator_ends_it_and_cannot_promote_it() -> None:
    drill = Quiet()
    assert "promote" not in possible(drill.engine.state)
    with pytest.raises(Refused, match="the drill is running: promote does nothing"):
        drill.say("promote")
    assert drill.say("rollback") == [0.05]
    assert drill.status == "rolled_back"


def test_no_old_arm_is_said_to_be_free() -> None:
    drill = Quiet(max_duration=60)
    drill.run(HOUR)
    assert drill.status in ENDED
    found = forecast(drill.plan, drill.engine.state, drill.engine.evidence, None, {})
    assert (found.old_arm_us, found.old_arm) == (None, "a drill ends where it began")
