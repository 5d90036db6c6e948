"""A rollback, seen by users: from the verdict that crossed the line to the last request that went to the canary."""

import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.clock import SystemClock
from gateway.demo.behaviour import steady
from gateway.demo.wording import prompts
from tests.support.plans import OVER_REFUSAL
from tests.support.simulated import OVER_REFUSING, QUICK, simulated
from tests.support.stack import Stack
from tests.support.wait import until

CLIENTS = 4


class Asked(msgspec.Struct):
    """`sent`: seconds since the epoch."""

    sent: float
    arm: str


def _ask(url: str, number: int, stop: threading.Event, asked: list[Asked]) -> None:
    """One client after another, each a user of its own, on a connection that any worker may get."""
    clock, count = SystemClock(), 0
    harmless = prompts(unsafe=False)
    while not stop.is_set():
        count += 1
        body = {"model": "assistant", "messages": [{"role": "user", "content": harmless[count % len(harmless)]}]}
        sent = clock.now_us() / 1e6
        with httpx.Client(base_url=url, timeout=20) as client:
            answer = client.post(
                "/v1/chat/completions",
                json={**body, "max_tokens": 16, "seed": count},
                headers={"x-user-id": f"{number}-{count}"},
            )
        assert answer.status_code == 200
        asked.append(Asked(sent, answer.headers["x-tipstaff-arm"]))


def _shown(stack: Stack) -> dict[str, Any]:
    answer: dict[str, Any] = stack.admin.get("/api/v1/models/assistant/rollout").raise_for_status().json()
    return answer


@pytest.mark.timeout(300)
def test_a_rollback_reaches_every_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with simulated("v1", "v2", behaviour=QUICK) as (stable, canary):
        canary.begin(steady(OVER_REFUSING))
        arms = {
            "stable": {"endpoints": [stable.url], "version": "1"},
            "canary": {"endpoints": [canary.url], "version": "2"},
        }
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": arms}}
        with Stack(tmp_path, models, proxy={"workers": 2}, expose_arm=True) as stack:
            stack.start_rollout("assistant", OVER_REFUSAL)
            stop, asked = threading.Event(), list[Asked]()
            clients = [
                threading.Thread(target=_ask, args=(stack.url, number, stop, asked)) for number in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            try:
                until(lambda: _shown(stack)["status"] == "rolled_back", 60, "it goes back", 0.2)
                goal = len(asked) + 200
                until(lambda: len(asked) > goal, 60, "requests after it")
            finally:
                stop.set()
                for client in clients:
                    client.join(30)
            crossed = datetime.fromisoformat(_shown(stack)["as_of"]).timestamp()
    late = max(each.sent for each in asked if each.arm == "canary") - crossed
    with capsys.disabled():
        print(f"\nfrom the verdict that crossed the line to the last request to the canary: {late:.2f} s")
    assert all(each.arm == "stable" for each in asked[-100:])
