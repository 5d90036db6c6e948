"""A replay makes the same decisions from the same record, and finds every change of it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rollout.observation import Observation
from gateway.rollout.plan import parse
from gateway.rollout.replay import Recorded, Replayed, replay
from tests.support.engine import BEGINNING
from tests.unit.rollout.record import PLAN, Live


def again(live: Live, **other: object) -> Replayed:
    """A replay of it, or of a record that is another in what `other` says."""
    given = {
        "observations": live.observations,
        "inputs": live.inputs,
        "recorded": live.recorded,
        "until_us": live.end(),
    }
    return replay(PLAN, BEGINNING, **{**given, **other})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bad() -> Live:
    """It advanced, froze by the fast alarm, and was rolled back by the mean."""
    live = Live()
    live.run(25)
    live.bad = 0.4
    live.run(60)
    assert live.kinds() == ["start", "advance", "freeze", "roll_back"]
    return live


def test_a_rollout_that_arrives_and_one_that_goes_back(bad: Live) -> None:
    healthy = Live()
    healthy.run(300)
    assert healthy.kinds()[-1] == "promote"
    for live in (healthy, bad):
        found = again(live)
        assert found == Replayed(len(live.recorded), len(live.observations))


WORDS = st.sampled_from(["suspend", "resume", "freeze", "rollback", "promote", "approve", "undo", "ill", "blind"])
SAID = st.lists(st.tuples(WORDS, st.floats(0.1, 40)), max_size=6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), SAID, st.sampled_from([0.02, 0.3]))
def test_whatever_operators_say_and_whatever_happens(seed: int, said: list[tuple[str, float]], rate: float) -> None:
    live = Live(seed, bad=rate, users=400)
    for word, seconds in said:
        live.run(seconds)
        if word == "ill":
            live.know(healthy=0.3)
        elif word == "blind":
            live.know(blind=3600.0)
        else:
            live.say(word)
    live.run(20)
    found = again(live)
    assert (found.agreed, found.difference) == (len(live.recorded), "")


def changed(recorded: list[Recorded], place: int, **fields: object) -> list[Recorded]:
    made = msgspec.structs.replace(recorded[place], **fields)
    return [*recorded[:place], made, *recorded[place + 1 :]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "suspend"),
        ("time_us", 5),
        ("share", 0.3),
        ("stage", 2),
        ("actor", "bob"),
        ("waits_for", "proof"),
        ("exchanges", ("x",)),
    ],
)
def test_a_changed_decision_is_found(bad: Live, field: str, value: object) -> None:
    place = len(bad.recorded) - 1
    found = again(bad, recorded=changed(bad.recorded, place, **{field: value}))
    assert found.agreed == place
    assert field in found.difference


def test_a_changed_number_is_found_and_the_last_bits_are_not(bad: Live) -> None:
    place = len(bad.recorded) - 1
    evidence = bad.recorded[place].evidence
    assert evidence is not None
    for factor, same in ((1 + 1e-8, False), (1 + 1e-12, True)):
        moved = msgspec.structs.replace(evidence, mean=evidence.mean * factor)
        found = again(bad, recorded=changed(bad.recorded, place, evidence=moved))
        assert (not found.difference) == same
    row = msgspec.structs.replace(evidence.rows[1], not_evaluated=(0.0, 0.5))
    moved = msgspec.structs.replace(evidence, rows=(evidence.rows[0], row))
    found = again(bad, recorded=changed(bad.recorded, place, evidence=moved))
    assert "evidence.rows[1].not_evaluated" in found.difference


def test_other_words_are_told_and_are_no_difference(bad: Live) -> None:
    found = again(bad, recorded=changed(bad.recorded, 2, reason="as a later version says it"))
    assert (found.difference, found.reworded) == ("", 1)


def test_a_decision_that_is_missing_or_made_up_is_found(bad: Live) -> None:
    recorded = bad.recorded
    assert "decision 3" in again(bad, recorded=[*recorded[:2], *recorded[3:]]).difference
    assert "none is recorded" in again(bad, recorded=recorded[:-1]).difference
    assert "does not follow" in again(bad, recorded=[*recorded, recorded[-1]]).difference


def test_changed_evidence_is_found(bad: Live) -> None:
    seen = bad.observations
    place = next(place for place, each in enumerate(seen) if each.canary and each.outcomes[0])
    clean = msgspec.structs.replace(seen[place], outcomes=(0, 0), harm=0)
    assert again(bad, observations=[*seen[:place], clean, *seen[place + 1 :]]).difference
    assert again(bad, observations=[*seen[:place], *seen[place + 1 :]]).difference


def test_another_plan_does_not_give_the_same() -> None:
    live = Live(bad=0.2)
    live.run(60)
    other = parse({**msgspec.to_builtins(PLAN), "alpha": 0.001, "alarm_alpha": 0.001})
    given = (live.observations, live.inputs, live.recorded, live.end())
    assert replay(other, BEGINNING, *given).difference


def test_a_decision_of_the_very_last_instant_may_not_be_recorded_yet(bad: Live) -> None:
    last = bad.recorded[-1].time_us
    seen = [each for each in bad.observations if each.time_us <= last]
    found = again(bad, observations=seen, recorded=bad.recorded[:-1], until_us=last)
    assert (found.agreed, found.difference) == (len(bad.recorded) - 1, "")


class HalfRead(Live):
    """Of every second answer nothing is known."""

    def _observation(self) -> Observation:
        seen = super()._observation()
        return msgspec.structs.replace(seen, outcomes=(None, 0), harm=None) if len(self.observations) % 2 else seen


def test_a_decision_states_what_it_was_made_from() -> None:
    """Not what stands there when its own stage has begun, which has seen nothing yet."""
    live = HalfRead()
    live.run(25)
    forward = next(each for each in live.recorded if each.kind == "advance")
    assert forward.evidence is not None
    assert forward.evidence.rows[0].not_evaluated == pytest.approx((0.5, 0.5), abs=0.1)
    assert again(live) == Replayed(len(live.recorded), len(live.observations))
