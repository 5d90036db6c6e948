"""The demo's users and models before a real gateway, with its acts in a test's hand: when the canary turns bad, and
what is asked meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.clock import SystemClock
from gateway.core.identity import hashed
from gateway.demo.acts import MODEL
from gateway.demo.asking import Traffic
from gateway.demo.behaviour import steady
from gateway.demo.fleet import STABLE, TURNED
from gateway.demo.model_server import ModelServer
from gateway.demo.plan import ROLLOUT
from gateway.demo.users import Users
from tests.support.loops import ThreadLoop
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.wait import until

PEOPLE = {"ada": "operator", "bob": "viewer", "board": "auditor"}
"""Who has a token (see `token`), and in which role."""
PLAN: dict[str, Any] = {**ROLLOUT, "stages": [20, 40, 50], "dwell": 6, "period": 1, "alpha": 0.001}
"""The demo's, with a stage every few seconds."""
TRAFFIC = Traffic(rate=15.0, fresh=0.25)
"""What a machine of two cores can score beside a browser."""
CRASS = msgspec.structs.replace(TURNED, leaking=0.5, over_refusing=0.5)
"""Worse than the demo's bad canary: fewer users are enough to show it."""
LONG = 600.0
_SEED = 7
_SETTLE = 60.0


def token(name: str) -> str:
    """The admin token of one of PEOPLE."""
    return f"token-of-{name}"


class DemoRun:
    """`stack`: the gateway; its `admin` speaks as the operator, ada."""

    def __init__(self, stack: Stack, canary: ModelServer) -> None:
        self.stack = stack
        self._canary = canary

    @contextmanager
    def asking(self, traffic: Traffic = TRAFFIC, seed: int = _SEED) -> Iterator[Users]:
        """Users come while the block runs; at its end every answer has come, and is scored."""
        loop = ThreadLoop("users")
        users = Users(self.stack.url, MODEL, traffic, SystemClock(), seed)
        arriving = loop.spawn(users.arrive(LONG))
        try:
            yield users
            arriving.cancel()
            assert loop.run(users.settle(_SETTLE), _SETTLE + 5), "some answers never came"
            self.stack.settled()
        finally:
            arriving.cancel()
            loop.run(users.close())
            loop.close()

    def start(self, plan: dict[str, Any] = PLAN) -> None:
        """The operator starts a rollout of the canary."""
        self.stack.start_rollout(MODEL, yaml.safe_dump(plan), self.stack.folder / "ada.token")

    def turn(self) -> None:
        """From now on the canary's model answers worse."""
        self._canary.begin(steady(CRASS))

    def rollout(self) -> dict[str, Any]:
        """Where the newest rollout stands."""
        shown: dict[str, Any] = self.stack.admin.get(f"/api/v1/models/{MODEL}/rollout").raise_for_status().json()
        return shown

    def made(self, kind: str) -> dict[str, Any]:
        """The newest decision of that kind in the newest rollout, with all that it rests on."""
        path = f"/api/v1/models/{MODEL}/rollout/{self.rollout()['id']}/decisions"
        made = self.stack.admin.get(path).raise_for_status().json()["decisions"]
        newest = next(each["id"] for each in reversed(made) if each["kind"] == kind)
        detail: dict[str, Any] = self.stack.admin.get(f"/api/v1/decisions/{newest}").raise_for_status().json()
        return detail

    def await_status(self, status: str, seconds: float = 90) -> None:
        """Until evidence has brought the rollout there."""
        until(lambda: self.rollout()["status"] == status, seconds, f"the rollout is {status}", 0.2)

    def await_share(self, percent: float, seconds: float = 60) -> None:
        """Until evidence has given the canary that many of the users."""
        until(lambda: self._share() >= percent, seconds, f"the canary has {percent:g} %", 0.2)

    def _share(self) -> float:
        weights: dict[str, float] = self.stack.admin.get(f"/api/v1/models/{MODEL}/weights").json()["weights"]
        return weights["canary"]


def guarded(folder: Path, arms: dict[str, Any], **more: Any) -> Stack:  # noqa: ANN401 - Stack's own
    """A gateway for MODEL with tokens for PEOPLE, not started yet; `more`: further configuration."""
    for name in PEOPLE:
        (folder / f"{name}.hash").write_text(hashed(token(name)))
        (folder / f"{name}.token").write_text(token(name))
    tokens = [{"name": name, "role": role, "file": f"{name}.hash"} for name, role in PEOPLE.items()]
    models = {MODEL: {"unit": ["header:x-user-id"], "arms": arms}}
    stack = Stack(folder, models, admin_tokens=tokens, expose_arm=True, **more)
    stack.admin.headers["authorization"] = f"Bearer {token('ada')}"
    return stack


@contextmanager
def demo_run(folder: Path) -> Iterator[DemoRun]:
    """A gateway between the demo's models and its users, over what `folder` has of an earlier one."""
    with simulated("simulated-stable", "simulated-canary", behaviour=STABLE) as (stable, canary):
        arms = {
            "stable": {"endpoints": [stable.url], "version": "demo-1"},
            "canary": {"endpoints": [canary.url], "version": "demo-2"},
        }
        with guarded(folder, arms) as stack:
            yield DemoRun(stack, canary)


def play(folder: Path) -> None:
    """The demo to its end; what is left in `folder` has a canary that turned bad, was frozen and rolled back."""
    with demo_run(folder) as run, run.asking():
        run.start()
        run.await_share(PLAN["stages"][1])
        run.turn()
        run.await_status("rolled_back")
