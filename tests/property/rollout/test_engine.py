"""However events are batched, and wherever the controller stops and goes on, a rollout takes the same way."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rollout.commands import Refused
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.observation import Command, Health, Input, Labels, Observation, Report, Reports, Silence
from gateway.rollout.plan import Plan
from gateway.rollout.start import begin
from gateway.rollout.state import decode, encode
from gateway.rollout.summary import stated
from gateway.rollout.units import MemoryUnits, UnitRow, propensity
from tests.support.engine import BEGINNING, Drive, Users, put_in_force, quick

PLANS = st.sampled_from(
    [
        quick(),
        quick(on_alarm="suspend", on_worse="suspend", redeal=45, minimum_units=80),
        quick(harm_budget=4, approval=[30], period=3),
        quick(stages=[50], blind={"after": 60, "do": "freeze"}),
    ]
)
USERS = st.builds(
    Users,
    count=st.sampled_from([20, 300, 3000]),
    per_second=st.sampled_from([3.0, 20.0]),
    harm=st.sampled_from([(0.0, 0.0), (0.05, 0.05), (0.02, 0.4), (0.3, 0.0)]),
    unscored=st.sampled_from([(0.0, 0.0), (0.1, 0.1)]),
    heavy=st.sampled_from([0.0, 0.5]),
    passing=st.booleans(),
)
WORDS = ["resume", "suspend", "freeze", "approve", "rollback", "promote", "ill", "well", "blind", "veto", "report"]
STORIES = st.lists(st.tuples(st.floats(0.05, 30), st.sampled_from(WORDS)), min_size=1, max_size=8)


class Told(NamedTuple):
    """A rollout as it went: what it was given, until when, what was decided, and what is left."""

    plan: Plan
    events: list[Observation | Input]
    until_us: int
    made: list[Decision]
    state: bytes
    rows: int


@st.composite
def rollouts(draw: st.DrawFn) -> Told:
    """One that was driven without a stop."""
    plan = draw(PLANS)
    drive = Drive(plan, draw(USERS), seed=draw(st.integers(0, 2**16)))
    for seconds, word in draw(STORIES):
        drive.run(seconds)
        try:
            drive.give(_input(drive, word))
        except Refused:
            drive.events.pop()
    drive.run(15)
    state = encode(drive.engine.sync())
    return Told(plan, drive.events, drive.now_us, drive.made, state, len(drive.units))


def _input(drive: Drive, word: str) -> Input:
    now = drive.now_us
    if word in ("ill", "well"):
        return Health(now, 0.3 if word == "ill" else 1.0, 1.0)
    if word == "blind":
        return Silence(now, 70.0)
    if word == "veto":
        return Labels(now, 10, "labels say otherwise", "so they say")
    if word == "report":
        known = [each for each in drive.events if isinstance(each, Observation)]
        last = known[-1]
        return Reports(now, (Report(last.exchange_id, last.unit, last.canary, 1, 1000),))
    return Command(now, word, "ann", "because")  # type: ignore[arg-type] # the rest are operators' words


class Again:
    """The same events once more. After every `stops` events, 0: never, a new engine goes on from what was stored;
    so it does after each decision with a place in `cut`, in the middle of an event, which then comes again.
    """

    def __init__(self, told: Told, *, stops: int = 0, cut: AbstractSet[int] = frozenset()) -> None:
        state, _ = begin(told.plan, BEGINNING)
        self._told = told
        self._stops, self._cut = stops, cut
        self._units = MemoryUnits()
        self.engine = Engine(told.plan, state, self._units)
        self.made: list[Decision] = []
        self.stated: list[bytes] = []
        put_in_force(self.engine, 0)

    def run(self, events: list[Observation | Input], ticks: dict[int, float]) -> "Again":
        """`ticks`: place of an event -> how far, from it to the next in [0, 1), time is said to have come then."""
        for place, event in enumerate(events):
            while not self._given(event):
                self._restart()
            if self._stops and place % self._stops == 0:
                self._restart()
            if place in ticks and place + 1 < len(events):
                gap = events[place + 1].time_us - event.time_us
                if gap > 0:
                    self._advance(event.time_us + int(ticks[place] * gap))
        self._advance(self._told.until_us)
        return self

    def state(self) -> bytes:
        return encode(self.engine.sync())

    def _given(self, event: Observation | Input) -> bool:
        """False: it was cut off in the middle."""
        decisions = self.engine.observe(event) if isinstance(event, Observation) else self.engine.take(event)
        for made in decisions:
            self._note(made)
            if isinstance(event, Observation) and len(self.made) in self._cut:
                return False
        return True

    def _advance(self, time_us: int) -> None:
        for made in self.engine.advance(time_us):
            self._note(made)

    def _note(self, made: Decision) -> None:
        self.made.append(made)
        self.stated.append(msgspec.json.encode(stated(self._told.plan, self.engine.state, self.engine.evidence)))
        put_in_force(self.engine, len(self.made))

    def _restart(self) -> None:
        """From bytes, rows and all, as from a store."""
        self._cut = self._cut - {len(self.made)}
        self._units = _stored(self._units)
        self.engine = Engine(self._told.plan, decode(self.state()), self._units)


def _stored(units: MemoryUnits) -> MemoryUnits:
    kept = MemoryUnits()
    rows = msgspec.msgpack.encode(units._rows)
    kept._rows = msgspec.msgpack.decode(rows, type=dict[bytes, UnitRow])
    kept._queue.extend(units._queue)
    return kept


def places(told: Told) -> st.SearchStrategy[int]:
    return st.integers(0, len(told.events) - 1)


@settings(max_examples=40)
@given(st.data(), rollouts())
def test_stops_and_batches_change_nothing(data: st.DataObject, told: Told) -> None:
    stops = data.draw(st.integers(1, 60))
    cut = data.draw(st.sets(st.integers(1, max(len(told.made), 1)), max_size=4))
    ticks = data.draw(st.dictionaries(places(told), st.floats(0, 0.999), max_size=20))
    again = Again(told, stops=stops, cut=cut).run(told.events, ticks)
    assert again.made == told.made
    assert again.stated == Again(told).run(told.events, {}).stated
    assert again.state() == told.state


@settings(max_examples=40)
@given(st.data(), rollouts())
def test_what_comes_again_changes_nothing(data: st.DataObject, told: Told) -> None:
    """Single duplicates, and whole runs of events that are delivered once more."""
    runs = data.draw(st.lists(st.tuples(places(told), st.integers(1, 40)), max_size=8))
    doubled = list(told.events)
    for end, length in sorted(runs, reverse=True):
        earlier = [
            each for each in told.events[max(0, end + 1 - length) : end + 1] if isinstance(each, Observation)
        ]
        doubled[end + 1 : end + 1] = earlier
    again = Again(told).run(doubled, {})
    assert again.made == told.made
    assert again.state() == told.state


SHARES = st.lists(st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 0.95]), max_size=8)


@given(SHARES, st.floats(0, 1, exclude_max=True), st.sampled_from([0.01, 0.3, 0.5, 0.95]))
def test_a_bucket_lies_where_all_that_was_counted_puts_it(shares: list[float], bucket: float, then: float) -> None:
    """However weights rise and fall: above every share that left it on stable, below every one that did not."""
    engine = Drive(quick()).engine
    engine.state.shares = list(dict.fromkeys(shares))
    low, high = 0, 0
    for share in shares:
        engine.state.stage.share = share
        low, high = engine._learned(low, high, canary=bucket < share)
    floor = max((share for share in shares if share <= bucket), default=0.0)
    ceiling = min((share for share in shares if share > bucket), default=1.0)
    expected = min(max((then - floor) / (ceiling - floor), 0.0), 1.0)
    assert propensity(engine.state.shares, low, high, then) == expected


@settings(max_examples=20)
@given(rollouts())
def test_only_units_that_may_come_back_have_rows(told: Told) -> None:
    observations = [each for each in told.events if isinstance(each, Observation)]
    if observations[0].returns:
        assert 0 < told.rows <= len({each.unit for each in observations})
    else:
        assert told.rows == 0
