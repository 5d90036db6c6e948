"""Why a rollout waits and how long: on rollouts that were really fed."""

import pytest

from gateway.rollout.decide import UNDO_US
from gateway.rollout.engine import Engine
from gateway.rollout.forecast import Forecast, forecast
from gateway.rollout.observation import Command, Observation
from gateway.rollout.plan import Plan, parse
from gateway.rollout.start import Beginning, begin
from gateway.rollout.traffic import Traffic
from gateway.rollout.units import MemoryUnits

START = 1_760_000_000_000_000
SECOND = 1_000_000
PLAN = parse(
    {
        "preset": "fast",
        "stages": [50],
        "dwell": 600,
        "period": 10,
        "minimum_units": 40,
        "guardrails": [{"metric": "harm", "margin": 0.05, "promotes": True}],
    }
)
TRAFFIC = Traffic(1.0, ((3600, 3600), (7200, 7200)))


class Fed:
    """A rollout with one exchange of a new unit a second, none of them a violation."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.plan = plan
        beginning = Beginning(
            rollout="r", model="m", before="1", after="2", time_us=START, actor="ann", reason="a try"
        )
        state, _ = begin(plan, beginning)
        self.engine = Engine(plan, state, MemoryUnits())
        self.engine.applied((1, 1))
        self.seconds = 0

    def feed(self, seconds: int) -> None:
        for _ in range(seconds):
            self.seconds += 1
            now = START + self.seconds * SECOND
            unit = self.seconds.to_bytes(16, "big")
            seen = Observation(now, f"{self.seconds:032x}", unit, True, self.seconds % 2 == 0, (1, 1), (0,), 0)  # noqa: FBT003 - returns
            list(self.engine.observe(seen))

    def say(self, action: str) -> None:
        list(self.engine.take(Command(self.engine.state.clock_us, action, "ann", "so")))  # type: ignore[arg-type]

    def look(self, traffic: Traffic | None = TRAFFIC) -> Forecast:
        return forecast(self.plan, self.engine.sync(), self.engine.evidence, traffic, {"harm": 0.01})


def by_name(found: Forecast) -> dict[str, float | None]:
    return {each.what: each.seconds for each in found.left}


def test_at_its_start_it_goes_by_the_plan_and_the_traffic() -> None:
    found = Fed().look()
    assert found.why == "the stage is held for 10 min"
    left = by_name(found)
    assert left["dwell"] == 600
    assert left["units"] == pytest.approx(90, abs=2)
    assert left["proof of harm"] is not None
    assert found.stage == max(each for each in left.values() if each is not None)
    assert found.whole == found.stage + PLAN.holdout_dwell
    assert found.old_arm_us is None


def test_later_it_goes_by_its_own_pace() -> None:
    fed = Fed()
    fed.feed(60)
    left = by_name(fed.look(None))
    assert left["dwell"] == pytest.approx(540, abs=1)
    assert left["units"] == pytest.approx(30, abs=5), "25 of 40 canary units have closed, one in 2 s"
    proof = left["proof of harm"]
    assert proof is not None
    fed.feed(round(proof))
    assert by_name(fed.look(None)).get("proof of harm", 0.0) == pytest.approx(0.0, abs=0.25 * proof)


def test_without_traffic_nothing_is_guessed() -> None:
    found = Fed().look(None)
    assert by_name(found)["units"] is None
    assert (found.stage, found.whole) == (None, None)


def test_a_proof_that_does_not_grow_is_called_that() -> None:
    fed = Fed(parse({"preset": "fast", "stages": [50], "dwell": 1, "period": 10, "guardrails": PLAN_OF_MISSING}))
    for second in range(1, 60):
        now = START + second * SECOND
        canary = second % 2 == 0
        outcome = 1000 if canary and second % 10 == 0 else 0
        unit = second.to_bytes(16, "big")
        list(fed.engine.observe(Observation(now, f"{second:032x}", unit, True, canary, (1, 1), (outcome,), 0)))  # noqa: FBT003
    (proof,) = (each for each in fed.look().left if each.what == "proof of harm")
    assert proof.seconds is None
    assert proof.said.endswith("and it is not growing")


PLAN_OF_MISSING = [{"metric": "harm", "margin": 0.01, "promotes": True, "ratio": 0}]


def test_what_waits_for_people_has_no_time() -> None:
    fed = Fed()
    fed.say("suspend")
    found = fed.look()
    assert found.why.startswith("suspended: an operator resumes")
    assert (found.left, found.stage, found.whole) == ((), None, None)


def test_the_old_arm_is_needed_until_undo_is_over() -> None:
    fed = Fed()
    fed.say("promote")
    found = fed.look()
    assert found.old_arm_us == fed.engine.state.promoted_us + UNDO_US
    assert "finish" in found.why
    fed.say("finish")
    assert fed.look().old_arm_us == fed.engine.state.clock_us
    assert fed.look().why == "it has ended: finished"
