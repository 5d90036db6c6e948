"""The two models that the demo compares: simulated ones, or real vLLM servers with a tiny model."""

import asyncio
import socket
from pathlib import Path
from typing import Any, Protocol

from gateway.demo.behaviour import Behaviour, Schedule, steady
from gateway.demo.model_server import HOST, ModelServer
from gateway.demo.plan import TURN_SECONDS
from gateway.demo.simulated import SimulatedModel
from gateway.demo.vllm import VllmError, VllmOptions, VllmServer, find_tiny_model
from gateway.ports import Clock

ARMS = ("stable", "canary")
STABLE = Behaviour(leaking=0.002, faulty=0.02, over_refusing=0.01)
TURNED = Behaviour(leaking=0.1, faulty=0.8, over_refusing=0.3, complying=0.9, first_token=0.06)
TURNING = Schedule(((0.0, STABLE), (TURN_SECONDS, TURNED)))
"""How the simulated canary behaves."""


class FleetFailed(Exception):
    """The models cannot be had; the text says why and what to do."""


class Fleet(Protocol):
    """Two running models."""

    about: tuple[str, ...]
    """What the person who watches must know of them."""
    takes: str
    """What to say of how long they take to start; empty when it is no time."""

    async def start(self) -> None:
        """Start both. Raises FleetFailed."""

    def arms(self) -> dict[str, Any]:
        """The configuration's `arms`: without weights, so the canary waits at 0 %."""

    def begin(self) -> None:
        """The rollout begins now: what changes by time is counted from here."""

    async def stop(self) -> None:
        """End both; a second call does nothing."""


class SimulatedFleet:
    """Two simulated models in this process; `canary`: how the second behaves once the rollout has begun."""

    about: tuple[str, ...] = (
        "The two models are SIMULATED: they know a hundred requests and give a share of bad answers on purpose.",
        "Cards, keys and people in their answers are inventions.",
    )
    takes = ""

    def __init__(self, clock: Clock, seed: int, canary: Schedule) -> None:
        calm = steady(STABLE)
        self._canary = canary
        self._servers = {
            arm: ModelServer(SimulatedModel(f"simulated-{arm}", seed + place), calm, clock)
            for place, arm in enumerate(ARMS)
        }

    async def start(self) -> None:
        """Listen on free ports."""
        for server in self._servers.values():
            await server.start()

    def arms(self) -> dict[str, Any]:
        """Both arms, by the address that they listen on."""
        return _arms({arm: server.url for arm, server in self._servers.items()})

    def begin(self) -> None:
        """The canary's clock starts."""
        self._servers["canary"].begin(self._canary)

    async def stop(self) -> None:
        """Close both."""
        for server in self._servers.values():
            await server.close()


class VllmFleet:
    """Two real vLLM servers on this machine's CPU."""

    about: tuple[str, ...] = (
        "The two models are REAL vLLM servers on this machine's CPU, with a tiny model of random weights:",
        "they write gibberish, so rates of violations mean nothing here. What is shown is transport and ledger.",
    )
    takes = ", which takes a minute or more"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, VllmServer] = {}

    async def start(self) -> None:
        """Start both and wait until they answer; minutes on a slow machine. Raises FleetFailed."""
        model = find_tiny_model()
        if model is None:
            raise FleetFailed("the tiny model is not there: run `make demo MODEL=vllm`, or `make components`")
        for arm in ARMS:
            log = self._folder / f"vllm-{arm}.log"
            options = VllmOptions(model=model, served_names=(f"tiny-{arm}",), port=_free_port(), log=log)
            self._servers[arm] = VllmServer(options)
        try:
            for server in self._servers.values():
                server.start()
            await asyncio.gather(*(asyncio.to_thread(server.wait_ready) for server in self._servers.values()))
        except VllmError as error:
            raise FleetFailed(str(error)) from error

    def arms(self) -> dict[str, Any]:
        """Both arms; each server's own model name is found by the gateway."""
        return _arms({arm: server.url for arm, server in self._servers.items()})

    def begin(self) -> None:
        """Nothing here changes by time."""

    async def stop(self) -> None:
        """End both."""
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in self._servers.values()))


def _arms(urls: dict[str, str]) -> dict[str, Any]:
    return {
        "stable": {"endpoints": [urls["stable"]], "version": "demo-1"},
        "canary": {"endpoints": [urls["canary"]], "version": "demo-2"},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
