"""The demo's rollout without sockets and real time: the same users, models, rules and engine.

So that the story that is told live is known to hold for every seed.
"""

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from classifiers.constitution import Constitution
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import Verdict
from gateway.controller.outcomes import Pins, Reading
from gateway.core.assignment import bucket, unit_hash
from gateway.core.exchange import Reason, Route
from gateway.core.ids import exchange_id
from gateway.demo.asking import Asking, Request, Traffic
from gateway.demo.behaviour import Schedule
from gateway.demo.simulated import Ask, SimulatedModel
from gateway.events.schema import Assignment, Timing, VerdictV1
from gateway.ports import Classifier
from gateway.rollout.decision import Decision
from gateway.rollout.engine import Engine
from gateway.rollout.plan import Plan
from gateway.rollout.start import Beginning, begin
from gateway.rollout.units import MemoryUnits

_ARMS = ("stable", "canary")
_MODEL = "assistant"
_START_US = 1_000_000_000_000


class Rehearsal:
    """One run. `schedules`: how the two models behave, by seconds from the start."""

    def __init__(
        self, plan: Plan, traffic: Traffic, schedules: dict[str, Schedule], constitution: Constitution, seed: int
    ) -> None:
        self._asking = Asking(traffic, _MODEL, seed)
        self._schedules = schedules
        self._models = {arm: SimulatedModel(_MODEL, seed + place) for place, arm in enumerate(_ARMS)}
        self._salt = seed.to_bytes(8, "big")
        pins = Pins(constitution.hash, {})
        self._reading = Reading(plan, constitution, arms=_ARMS, pins=pins)
        beginning = Beginning(
            rollout="rehearsal",
            model=_MODEL,
            before="1",
            after="2",
            time_us=_START_US,
            actor="demo",
            reason="rehearsal",
        )
        state, _ = begin(plan, beginning)
        self._engine = Engine(plan, state, MemoryUnits())
        self._version = 1
        self._engine.applied((1, 1))

    def play(self, classifier: Classifier, seconds: float) -> Iterator[tuple[float, Decision]]:
        """Every decision but waits, with the second it was made in."""

        @cache
        def judged(prompt: str, said: str) -> Verdict:
            return classifier.classify([Exchange("0" * 32, (Turn("user", prompt),), (Answer(said),))])[0]

        now = 0.0
        while (request := self._asking.draw()) is not None and (now := now + request.pause) < seconds:
            seen = self._reading.observation(self._event(request, now, judged))
            for made in () if seen is None else self._engine.observe(seen):
                self._version += 1
                self._engine.applied((1, self._version))
                if made.kind != "wait":
                    yield now, made

    def _event(self, request: Request, now: float, judged: Callable[[str, str], Verdict]) -> VerdictV1:
        unit = unit_hash(b"rehearsal", "user", request.user.encode())
        place = bucket(self._salt + self._engine.state.salt.to_bytes(4, "big"), unit)
        share = self._engine.state.stage.share
        arm = _ARMS[place < share]
        ask = msgspec.convert(request.body, Ask)
        reply = self._models[arm].replies(ask, self._schedules[arm].at(now))[0]
        time_us = _START_US + round(now * 1e6) + 1
        identifier = exchange_id(time_us, ask.seed.to_bytes(10, "big"))
        assignment = Assignment(
            "user", "header:x-user-id", unit, place, share, arm, arm, "rehearsal", 1, self._version
        )
        verdict = judged(request.prompt, reply.text)
        return VerdictV1(
            id=f"{identifier}verdict",
            exchange_id=identifier,
            time_us=time_us,
            producer="proxy-0",
            sequence=0,
            model=_MODEL,
            route=Route.CHAT,
            assignment=assignment,
            status=200,
            reason=Reason.COMPLETE,
            streamed=False,
            timing=Timing(time_us, 0.0, 0.1, 0.2),
            request_bytes=0,
            response_bytes=len(reply.text),
            verdict=verdict,
        )
