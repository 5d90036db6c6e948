"""The disk is full: what goes on, what says so, and what heals by itself."""

import time
from functools import partial
from pathlib import Path

import httpx

from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.small_disk import fill, small_disk
from tests.support.stack import Stack
from tests.support.wait import until


def test_a_controller_that_starts_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with simulated("acme/v1") as (model,), small_disk(tmp_path / "data", 24) as disk:
        models = {"assistant": {"arms": {"stable": {"endpoints": [model.url]}}}}
        with Stack(tmp_path, models) as stack:
            assert _ask(stack) == 200
            before = stack.settled()["exchanges"]
            killed = stack.kill("controller")
            fill(disk / "ballast")
            until(partial(stack.restarted, "controller", killed), 60, "the controller is started again")
            until(lambda: _waits(stack), 60, "the admin port says what is wrong")

            detail = stack.admin.get("/api/v1/status").json()["detail"]
            assert "/controller/state.sqlite cannot be used" in detail
            assert "the disk is full" in detail
            wanted = {"weights": {"stable": 100}, "reason": "drill"}
            assert stack.admin.put("/api/v1/models/assistant/weights", json=wanted).status_code == 503
            assert stack.admin.get("/livez").status_code == 200
            assert _ask(stack) == 200, "traffic goes on"
            assert stack.ledger()["exchanges"]["started"] > before["started"]
            assert stack.metric("tipstaff_requests_total", model="assistant") >= 2

            (disk / "ballast").unlink()
            until(lambda: stack.admin.get("/readyz").status_code == 200, 30, "it goes on by itself")
            assert stack.admin.put("/api/v1/models/assistant/weights", json=wanted).status_code == 200
            assert _ask(stack) == 200
            assert stack.settled()["exchanges"]["appended"] > before["appended"]


def _ask(stack: Stack) -> int:
    return stack.client.post("/v1/chat/completions", json=question("assistant")).status_code


def _waits(stack: Stack) -> bool:
    began = time.monotonic()
    try:
        answer = stack.admin.get("/readyz", timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == 503 and time.monotonic() - began < 1
