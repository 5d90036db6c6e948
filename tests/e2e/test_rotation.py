"""Another unit key: after one has leaked, and at the wrong time."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.model_server import ModelServer
from gateway.keys import load_unit_key
from gateway.layout import DataFolder
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

ADA = "ada-planted-7f3a"


@pytest.fixture
def models() -> Iterator[dict[str, Any]]:
    with simulated("acme/v1", "acme/v2") as servers:
        yield _models(servers)


def _models(servers: list[ModelServer]) -> dict[str, Any]:
    stable, canary = ({"endpoints": [server.url], "version": server.model.name} for server in servers)
    return {"assistant": {"arms": {"stable": stable, "canary": canary}, "unit": ["body:user"]}}


def asked(stack: Stack) -> dict[str, Any]:
    """An exchange of hers, with its verdict."""
    body = {"model": "assistant", "user": ADA, "messages": [{"role": "user", "content": "it is me"}]}
    answer = stack.client.post("/v1/chat/completions", json=body).raise_for_status()
    return stack.exchange(answer.headers["x-tipstaff-exchange"])


def unit(exchange: dict[str, Any]) -> str:
    return str(exchange["assignment"]["unit"])


def test_a_key_has_leaked(models: dict[str, Any], tmp_path: Path) -> None:
    stack = Stack(tmp_path, models, feedback={"per_minute": 6000}).start()
    admin = ("--admin", f"127.0.0.1:{stack.admin_port}")
    key = DataFolder(stack.data).unit_key
    first, leaked = asked(stack), load_unit_key(key)
    running = tipstaff("rotate-unit-key", stack.config)
    assert (running.returncode, "stop it" in running.stderr) == (4, True), running.stderr
    assert stack.stop() == 0
    done = tipstaff("rotate-unit-key", stack.config)
    assert done.returncode == 0, done.stderr
    assert load_unit_key(key) != leaked

    with stack:
        assert "every user is dealt anew" in stack.errors.read_text()
        assert leaked.hex() not in stack.errors.read_text()
        rotated = partial(tipstaff, "audit", "--action", "key.rotated", *admin)
        until(lambda: rotated().stdout.count("became") == 1, 20, "the audit stream has it", 0.1)
        said = {"exchange_id": first["id"], "metric": "thumbs_down", "value": 1}
        assert stack.client.post("/tipstaff/v1/feedback", json=said).status_code == 202
        until(lambda: len(stack.exchange(first["id"])["feedback"]) == 1, 20, "it is with its exchange", 0.1)
        assert unit(asked(stack)) != unit(first)
        forgotten = tipstaff("forget", "--unit", ADA, *admin)
        assert "forgotten: 2 exchanges" in forgotten.stdout, forgotten.stdout + forgotten.stderr


def test_another_key_at_the_wrong_time(models: dict[str, Any], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("1" * 64)
    with Stack(tmp_path, models, unit_key_file="key") as stack:
        admin = ("--admin", f"127.0.0.1:{stack.admin_port}")
        alone = partial(tipstaff, "proxy", stack.config, "--worker", "7", environment=stack.environment)
        first = asked(stack)
        key.write_text("2" * 64)
        refused = tipstaff("reload", *admin)
        assert refused.returncode != 0
        assert "is not the key in use" in refused.stderr
        beside = alone()
        assert (beside.returncode, "is not the key in use" in beside.stderr) == (2, True), beside.stderr
        killed = stack.kill("proxy-0")
        until(partial(stack.restarted, "proxy-0", killed), 60, "it is started again")
        assert unit(asked(stack)) == unit(first)
        begun = tipstaff("rollout", "start", "assistant", "--to", "canary", "--reason", "a try", *admin)
        assert begun.returncode == 0, begun.stderr
        assert stack.stop() == 0
        after = alone()
        assert (after.returncode, "a rollout of assistant is under way" in after.stderr) == (2, True), after.stderr
