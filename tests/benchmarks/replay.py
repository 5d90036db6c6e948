"""How many verdicts a replay takes a second of CPU time: a rollout's engine on one core, as verify runs it."""

import time
from pathlib import Path

import msgspec
import numpy as np

from gateway.rollout.engine import Engine
from gateway.rollout.observation import SCALE, Observation
from gateway.rollout.plan import PRESETS
from gateway.rollout.replay import drive
from gateway.rollout.start import Beginning, begin
from gateway.rollout.units import MemoryUnits
from tests.benchmarks.table import Row

_VERDICTS = 200_000
_USERS = 20_000
_STEP_US = 100_000
_RATE = 0.01
_TARGET = 50_000.0
_START_US = 1_700_000_000_000_000
_PLAN = msgspec.structs.replace(PRESETS["fast"], stages=(10.0,), holdout_dwell=1e9, dwell=1e9, harm_budget=0.0)
"""Five guardrails, and one stage that lasts: every verdict is evidence."""


def verdicts(*, returning: bool, seed: int = 1) -> list[Observation]:
    """Healthy traffic at ten a second, each guardrail violated in 1 %: as it lies in a record."""
    chance = np.random.default_rng(seed)
    size = len(_PLAN.guardrails)
    users = (chance.integers(_USERS, size=_VERDICTS) if returning else np.arange(_VERDICTS)).tolist()
    places = chance.random(_VERDICTS)
    violated = (SCALE * (chance.random((_VERDICTS, size)) < _RATE)).tolist()
    return [
        Observation(
            time_us=_START_US + (number + 1) * _STEP_US,
            exchange_id=f"{number:032x}",
            unit=user.to_bytes(16, "big"),
            returns=returning,
            canary=bool(places[user] < _PLAN.shares[0]),
            version=(1, 1),
            outcomes=tuple(outcomes),
            harm=outcomes[0],
        )
        for number, (user, outcomes) in enumerate(zip(users, violated, strict=True))
    ]


def measure(_: Path) -> list[Row]:
    """Units that come back, with a row and a period each, and units that are single requests."""
    return [
        Row("verdicts replayed, users", _per_second(verdicts(returning=True)), "per CPU s", at_least=_TARGET),
        Row("verdicts replayed, requests", _per_second(verdicts(returning=False)), "per CPU s", at_least=_TARGET),
    ]


def _per_second(recorded: list[Observation]) -> float:
    engine = _engine()
    start = time.process_time()
    made = [each for each in drive(engine, recorded, (), recorded[-1].time_us) if each.kind != "wait"]
    seconds = time.process_time() - start
    if made or sum(engine.state.stage.exchanges) != len(recorded):
        raise RuntimeError(f"not every verdict was counted, or {made[0].kind if made else 'nothing'} was decided")
    return len(recorded) / seconds


def _engine() -> Engine:
    beginning = Beginning(
        rollout="bench",
        model="assistant",
        before="1",
        after="2",
        time_us=_START_US,
        actor="bench",
        reason="",
        prior=[_RATE] * len(_PLAN.guardrails),
    )
    state, _ = begin(_PLAN, beginning)
    engine = Engine(_PLAN, state, MemoryUnits())
    engine.applied((1, 1))
    return engine
