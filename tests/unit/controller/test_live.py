"""The live answer and its stream, over real parts; time moves when a test says so."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from gateway.controller.problems import Problem
from gateway.controller.routers.live import MOST_FOLLOWERS, Followers, Following, frames
from gateway.controller.routers.live_values import Live
from gateway.controller.shared_look import SharedLook
from gateway.events.counted import CRASH
from gateway.telemetry import metrics
from tests.support.manual_clock import ManualClock
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import entries, upheld, verdict_event

ROLLOUT = "/api/v1/models/assistant/rollout"


def start(controller: Controller, **more: object) -> None:
    wanted = {"to": "canary", "plan": "fast", "reason": "v2", **more}
    assert controller.call("POST", ROLLOUT, json=wanted).status_code == 200


def say(controller: Controller, word: str) -> None:
    assert controller.call("POST", f"{ROLLOUT}/{word}", json={"reason": "a complaint"}).status_code == 200


def live(controller: Controller) -> dict[str, Any]:
    """A second later, so that it is looked at anew."""
    controller.clock.advance(1.0)
    found: dict[str, Any] = controller.get("/api/v1/live")
    return found


class TestTheAnswer:
    def test_before_anything_happened(self, controller: Controller) -> None:
        found = live(controller)
        assert found["headline"]["rollout"] == {"level": "none", "said": "no rollout is running"}
        assert found["headline"]["safety"] == {"level": "notice", "said": "no scorer runs: nothing is checked"}
        assert found["headline"]["loss"]["said"].startswith("nothing lost: 0 exchanges")
        assistant = found["models"][0]
        assert [(each["arm"], each["version"], each["weight"]) for each in assistant["arms"]] == [
            ("stable", "stable-1", 90.0),
            ("canary", "canary-1", 10.0),
        ]
        assert (assistant["rollout"], assistant["decided_by"]) == (None, "config")
        assert set(found["marks"]) == {"rollout", "exchanges", "decisions", "labels", "pipeline"}

    def test_a_rollout_as_it_goes(self, controller: Controller) -> None:
        start(controller)
        found = live(controller)["models"][0]
        rollout = found["rollout"]
        assert (rollout["from"]["arm"], rollout["to"]["version"], rollout["status"]) == (
            "stable",
            "canary-1",
            "running",
        )
        assert (rollout["stage"], rollout["count"], rollout["percent"]) == (1, len(rollout["stages"]), 5.0)
        assert found["headline"]["rollout"]["said"].startswith("canary at 5 %, stage 1 of ")
        say(controller, "freeze")
        frozen = live(controller)
        assert frozen["headline"]["rollout"]["said"].startswith("assistant: canary frozen at 5 %, stage 1 of ")
        safety = frozen["models"][0]["headline"]["safety"]
        assert (safety["level"], safety["said"][:44]) == ("notice", "5 % still have canary: frozen by an operator")
        say(controller, "rollback")
        ended = live(controller)
        assert ended["headline"]["rollout"]["level"] == "none"
        assert ended["models"][0]["rollout"]["status"] == "rolled_back"
        assert ended["headline"]["safety"]["said"] == "no scorer runs: nothing is checked"

    def test_a_drill_is_one(self, controller: Controller) -> None:
        start(controller, drill=0.5)
        found = live(controller)
        assert found["headline"]["rollout"]["said"].startswith("assistant: drill: canary at ")
        assert found["models"][0]["rollout"]["drill"] == 0.5

    def test_answers_that_were_looked_at(self, controller: Controller) -> None:
        events = [verdict_event(n, upheld("harm") if n < 2 else None) for n in range(6)]
        controller.index.add(entries(events), {"scorer-0": 6})
        controller.meters.gauge(metrics.SCORER_LAG).set(0.2)
        assert live(controller)["headline"]["safety"] == {
            "level": "ok",
            "said": "assistant: 6 of 6 answers since 07:00 UTC checked, 2 violate (33.3%)",
        }

    def test_servers_that_fail_now(self, controller: Controller) -> None:
        events = [verdict_event(n, status=502) for n in range(6)]
        controller.index.add(entries(events), {"scorer-0": 6})
        controller.meters.gauge(metrics.SCORER_LAG).set(0.2)
        failing = live(controller)["headline"]["safety"]
        assert (failing["level"], failing["said"][:42]) == ("bad", "assistant: 6 of the last 6 requests failed")
        controller.clock.advance(240)
        assert live(controller)["headline"]["safety"]["level"] == "ok"

    def test_what_was_lost_while_it_looked(self, controller: Controller) -> None:
        controller.meters.counter(metrics.DROPPED, "exchanges", CRASH).inc(2)
        assert live(controller)["headline"]["loss"]["level"] == "ok"
        controller.meters.counter(metrics.DROPPED, "exchanges", CRASH).inc(3)
        found = live(controller)["headline"]["loss"]
        assert (found["level"], found["said"][:33]) == ("bad", "3 of 5 exchanges lost in a crash,")


class TestMarks:
    @pytest.fixture
    def changed(self, controller: Controller) -> Callable[[Callable[[], object]], set[str]]:
        def made(act: Callable[[], object]) -> set[str]:
            before = live(controller)["marks"]
            act()
            after = live(controller)["marks"]
            return {name for name in before if before[name] != after[name]}

        return made

    def test_each_changes_with_what_it_stands_for(
        self, controller: Controller, changed: Callable[[Callable[[], object]], set[str]]
    ) -> None:
        event = verdict_event(1)
        assert changed(lambda: None) == set()
        assert changed(lambda: controller.index.add(entries([event]), {"scorer-0": 1})) == {"exchanges"}
        assert changed(lambda: start(controller)) == {"rollout", "decisions"}
        labels = {"actor": "ann", "labels": [{"exchange_id": event.exchange_id, "violates": True}]}
        path = "/api/v1/models/assistant/labels"
        assert "labels" in changed(lambda: controller.call("POST", path, json=labels))


Rest = Callable[[float], Awaitable[bool]]


class TestTheStream:
    def frames(self, shown: list[Live], rests: int, clock: ManualClock) -> list[bytes]:
        """What comes when each look in turn sees one of `shown`, the last again and again, for so many rests."""
        looks = iter(shown)
        seen = shown[0]
        left = rests

        async def look() -> Live:
            nonlocal seen
            seen = next(looks, seen)
            return seen

        async def rest(seconds: float) -> bool:
            nonlocal left
            left -= 1
            clock.advance(seconds)
            return left == 0

        async def all_of_them() -> list[bytes]:
            return [frame async for frame in frames(look, rest, clock)]

        return asyncio.run(all_of_them())

    @pytest.fixture
    def shown(self, controller: Controller) -> Live:
        return Live.model_validate(renamed(controller.get("/api/v1/live")))

    def test_one_at_once_and_then_when_it_changed(self, shown: Live) -> None:
        other = shown.model_copy(update={"table_version": 99})
        found = self.frames([shown, shown, other], 4, ManualClock())
        assert found[0] == b"retry: 1000\n\n"
        assert [data(frame)["table_version"] for frame in found[1:]] == [shown.table_version, 99]

    def test_at_least_every_five_seconds_and_for_a_minute(self, shown: Live) -> None:
        assert len(self.frames([shown], 6, ManualClock())) == 1 + 2
        assert len(self.frames([shown], 1000, ManualClock())) == 1 + 12

    def test_it_ends_with_the_controller(self, shown: Live) -> None:
        assert len(self.frames([shown], 1, ManualClock())) == 2

    def test_it_ends_where_nothing_can_be_read(self) -> None:
        async def look() -> Live:
            raise OSError("gone")

        async def rest(_: float) -> bool:
            return False

        async def all_of_them() -> list[bytes]:
            return [frame async for frame in frames(look, rest, ManualClock())]

        assert asyncio.run(all_of_them()) == [b"retry: 1000\n\n"]

    def test_over_the_port(self, controller: Controller) -> None:
        controller.parts.ending.set()
        answer = controller.call("GET", "/api/v1/live/stream")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        frame = answer.text.split("\n\n")[1]
        assert frame.startswith("event: live\ndata: ")
        assert json.loads(frame.partition("data: ")[2])["models"][0]["model"] == "assistant"

    def test_followers_are_bounded_and_counted_out(self) -> None:
        followers = Followers()

        async def nothing() -> AsyncIterator[bytes]:
            yield b"retry: 1000"

        async def listen(stream: Following) -> None:
            async def receive() -> dict[str, str]:
                await asyncio.Event().wait()
                return {}

            async def send(_: object) -> None: ...

            await stream({"type": "http", "asgi": {"spec_version": "2.0"}}, receive, send)

        streams = [Following(followers, nothing()) for _ in range(MOST_FOLLOWERS)]
        with pytest.raises(Problem, match="Too many follow"):
            followers.check()
        asyncio.run(listen(streams[0]))
        followers.check()


def data(frame: bytes) -> dict[str, Any]:
    assert frame.startswith(b"event: live\ndata: ")
    found: dict[str, Any] = json.loads(frame.partition(b"data: ")[2])
    return found


def renamed(found: dict[str, Any]) -> dict[str, Any]:
    """As the model takes it; nothing of it has a rollout."""
    assert all(each["rollout"] is None for each in found["models"])
    return found


def test_one_look_for_all_who_ask_within_a_second() -> None:
    clock, looks = ManualClock(), iter(range(10))
    shared = SharedLook(lambda: next(looks), clock)

    async def ask() -> list[int]:
        together = await asyncio.gather(*(shared.seen() for _ in range(5)))
        clock.advance(0.9)
        soon = await shared.seen()
        clock.advance(0.1)
        return [*together, soon, await shared.seen()]

    assert asyncio.run(ask()) == [0, 0, 0, 0, 0, 0, 1]


def test_who_stops_waiting_begins_no_second_look() -> None:
    """A browser that comes and goes must not have the controller look many times at once."""
    looks: list[int] = []
    go_on = threading.Event()

    def look() -> int:
        looks.append(len(looks))
        go_on.wait(10)
        return looks[-1]

    async def ask() -> int:
        shared = SharedLook(look, ManualClock())
        for _ in range(3):
            with suppress(TimeoutError):
                await asyncio.wait_for(shared.seen(), 0.01)
        asyncio.get_running_loop().call_soon(go_on.set)
        return await shared.seen()

    assert asyncio.run(ask()) == 0
    assert looks == [0]


def test_a_look_that_failed_is_tried_again() -> None:
    found: list[Exception | int] = [OSError("gone"), 1]

    def look() -> int:
        first = found.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

    async def ask() -> int:
        shared = SharedLook(look, ManualClock())
        with pytest.raises(OSError, match="gone"):
            await shared.seen()
        return await shared.seen()

    assert asyncio.run(ask()) == 1
