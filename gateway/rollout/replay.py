"""A rollout run again from its record: does the same evidence lead to the same decisions?"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import isclose
from typing import Protocol, TypeVar

import msgspec

from gateway.core.evidence import DecisionKind
from gateway.core.evidence import Evidence as Stated
from gateway.rollout.commands import Refused
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Input, Observation
from gateway.rollout.plan import Plan
from gateway.rollout.start import Beginning, begin
from gateway.rollout.state import UNKNOWN
from gateway.rollout.units import MemoryUnits

TOLERANCE = 1e-9
"""Relative and absolute: within it a recomputed number is the recorded one."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was recorded. `share`: the canary's after it, in [0, 1]; `version`: (epoch, version) of the
    table that it led to; `evidence` None: none was stated.
    """

    time_us: int
    kind: DecisionKind
    actor: str
    reason: str
    share: float
    stage: int
    version: tuple[int, int]
    waits_for: str = ""
    exchanges: tuple[str, ...] = ()
    evidence: Stated | None = None


class Replayed(msgspec.Struct, frozen=True):
    """How far a replay agreed. `agreed`: decisions in a row, from the first; `observed`: observations taken.

    `difference`: what parted, in words; empty: nothing did. `reworded`: agreed decisions whose words are others,
    as a later version's may be.
    """

    agreed: int
    observed: int
    difference: str = ""
    reworded: int = 0


class Timed(Protocol):
    """Something that happens at a canonical time."""

    @property
    def time_us(self) -> int: ...


Given = TypeVar("Given", bound=Timed)
Taken_contra = TypeVar("Taken_contra", contravariant=True)


class Driven(Protocol[Taken_contra]):
    """An Engine, or what is driven like one."""

    def observe(self, seen: Observation) -> Iterator[Decision]: ...

    def take(self, given: Taken_contra) -> Iterator[Decision]: ...

    def advance(self, time_us: int) -> Iterator[Decision]: ...


def drive(
    engine: Driven[Given], observations: Iterable[Observation], inputs: Iterable[Given], until_us: int
) -> Iterator[Decision]:
    """Give an engine observations and inputs in canonical order, then time up to `until_us`.

    Both in their own order; all observations up to an input's time come before it. Say `engine.applied` before
    asking for what follows a decision. An input that is refused is passed over, as it was.
    """
    waiting = iter(inputs)
    given = next(waiting, None)
    for seen in observations:
        while given is not None and given.time_us < seen.time_us:
            yield from _take(engine, given)
            given = next(waiting, None)
        yield from engine.observe(seen)
    while given is not None:
        yield from _take(engine, given)
        given = next(waiting, None)
    yield from engine.advance(until_us)


def replay(
    plan: Plan,
    beginning: Beginning,
    observations: Iterable[Observation],
    inputs: Iterable[Input],
    recorded: Sequence[Recorded],
    until_us: int,
) -> Replayed:
    """Begin again, and compare decision by decision, up to the first that parts.

    Kind, time, share, stage, actor, what is waited for and exchanges must be the same, the numbers of the evidence
    to TOLERANCE. `until_us`: how far canonical time had come when the record was taken; a decision of that very
    instant may not be in it yet.
    """
    state, first = begin(plan, beginning)
    state.passed_us = beginning.time_us
    engine = Engine(plan, state, MemoryUnits())
    counted = _Counted(observations)
    reworded, place = 0, 0
    for place, made in enumerate(chain((first,), drive(engine, counted, inputs, until_us))):
        if place == len(recorded):
            late = made.time_us >= until_us
            return Replayed(place, counted.number, "" if late else _unrecorded(made, place), reworded)
        there = recorded[place]
        if parted := difference(there, made, engine.read):
            return Replayed(place, counted.number, f"decision {place + 1} ({there.kind}): {parted}", reworded)
        reworded += there.reason != made.reason
        if engine.state.stage.version == UNKNOWN:
            engine.applied(there.version)
    agreed = place + 1
    return Replayed(agreed, counted.number, _missing(recorded, agreed), reworded)


def difference(there: Recorded, made: Decision, evidence: Stated) -> str:
    """What parts a recorded decision from one made again, in words; empty: nothing."""
    fields = ("kind", "time_us", "share", "stage", "actor", "waits_for", "exchanges")
    for name in fields:
        recorded, again = getattr(there, name), getattr(made, name)
        if recorded != again:
            return f"{name} is recorded as {recorded!r}, the replay has {again!r}"
    if there.evidence is None:
        return ""
    return _unequal("evidence", msgspec.to_builtins(there.evidence), msgspec.to_builtins(evidence))


def _unequal(path: str, recorded: object, again: object) -> str:
    if isinstance(recorded, dict) and isinstance(again, dict):
        pairs = ((f"{path}.{key}", value, again.get(key)) for key, value in recorded.items())
        return next((found for each in pairs if (found := _unequal(*each))), "")
    if isinstance(recorded, tuple) and isinstance(again, tuple) and len(recorded) == len(again):
        rows = enumerate(zip(recorded, again, strict=True))
        return next((found for row, pair in rows if (found := _unequal(f"{path}[{row}]", *pair))), "")
    same = recorded == again
    if isinstance(recorded, float) and isinstance(again, float):
        same = isclose(recorded, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return "" if same else f"{path} is recorded as {recorded!r}, the replay has {again!r}"


def _take(engine: Driven[Given], given: Given) -> Iterator[Decision]:
    try:
        yield from engine.take(given)
    except Refused:
        return


def _unrecorded(made: Decision, place: int) -> str:
    return f"after decision {place} the replay decides {made.kind} at {made.time_us}, and none is recorded"


def _missing(recorded: Sequence[Recorded], agreed: int) -> str:
    if agreed == len(recorded):
        return ""
    return f"decision {agreed + 1} ({recorded[agreed].kind} at {recorded[agreed].time_us}) does not follow"


class _Counted:
    """Observations, and how many of them were taken."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._observations = observations
        self.number = 0

    def __iter__(self) -> Iterator[Observation]:
        for seen in self._observations:
            self.number += 1
            yield seen
