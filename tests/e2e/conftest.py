"""One gateway before both vLLM servers, for all tests that only send requests through it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.model_server import ModelServer
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.vllm import Vllm

BODY_LIMIT = 200_000


def arms_of(pair: tuple[Vllm, Vllm], folder: Path, weight: float) -> dict[str, Any]:
    """The arms as a user configures them: the second server's key stands in a file."""
    stable, canary = pair
    key = folder / "canary.key"
    key.write_text(f"{canary.api_key}\n")
    return {
        "stable": {"endpoints": [stable.url]},
        "canary": {"endpoints": [canary.url], "weight": weight, "api_key_file": str(key)},
    }


@pytest.fixture(scope="session")
def gateway(
    vllm_pair: tuple[Vllm, Vllm], lasting_processes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The model `assistant`, half of its users on each of the two servers; answers say which arm they are from."""
    folder = tmp_path_factory.mktemp("gateway")
    models = {"assistant": {"arms": arms_of(vllm_pair, folder, 50)}}
    with Stack(folder, models, expose_arm=True, limits={"body_bytes": BODY_LIMIT}) as stack:
        lasting_processes.add(stack.pid())
        yield stack


@pytest.fixture(scope="session")
def user_of(gateway: Stack) -> dict[str, str]:
    """For each arm a user that it serves."""
    found: dict[str, str] = {}
    for number in range(40):
        user = f"user-{number}"
        answer = gateway.client.post(
            "/tokenize", json={"model": "assistant", "prompt": "hi"}, headers={"x-user-id": user}
        )
        found.setdefault(answer.raise_for_status().headers["x-tipstaff-arm"], user)
        if len(found) == 2:
            break
    return found


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    """The two that the chart's examples name, simulated."""
    with simulated("llama-v12", "llama-v13") as servers:
        yield servers


@pytest.fixture
def places(models: list[ModelServer]) -> dict[str, str]:
    """Where they are, for the addresses in the examples."""
    return {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}
