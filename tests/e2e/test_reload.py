"""Another configuration under load: the real gateway, two workers, people who never stop asking."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.configinforce import ConfigInForce, Loading
from gateway.core.identity import hashed
from gateway.demo.model_server import ModelServer
from gateway.layout import DataFolder
from tests.support.people import People, question
from tests.support.simulated import UNHURRIED, simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

RELOADS, EVERY, ANEW = 100, 5, 7
"""How many; one in five is invalid; once in seven something changes that the scorer reads."""
PEOPLE = 4
IN_A_ROW = 8
"""Answers, each on a new connection, after which both workers have answered."""
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": {"assistant": {"arms": {}}}}, "models.assistant.arms: expected at least one"),
    ({"no_such": 1}, "no_such: no such key"),
    ({"proxy": {"workers": 3}}, "proxy: read at a start only"),
    ({"constitution": "none.yaml"}, "none.yaml"),
    ({"client_keys": [{"name": "ada", "file": "none"}]}, "client_keys.0.file"),
]


@pytest.fixture
def servers() -> Iterator[list[ModelServer]]:
    """Two that know one name each and answer 404 to any other: half a configuration would ask for the wrong one."""
    with simulated("acme/v1", "acme/v2", behaviour=UNHURRIED) as found:
        yield found


def settings(server: ModelServer, **more: object) -> dict[str, Any]:
    arm = {"endpoints": [server.url], "model": server.model.name}
    return {"models": {"assistant": {"arms": {"stable": arm}}}, "proxy": {"workers": 2}, **more}


def write(stack: Stack, config: dict[str, Any]) -> None:
    stack.config.write_text(yaml.safe_dump(config, sort_keys=False))


def reload(stack: Stack) -> Loading:
    """SIGHUP, and what became of it."""
    in_force = ConfigInForce(DataFolder(stack.data))

    def told() -> Loading:
        found = in_force.loading()
        assert found is not None
        return found

    before = told()
    os.kill(stack.pid(), signal.SIGHUP)
    until(lambda: told().tried_us != before.tried_us, 60, "the configuration is read again", 0.02)
    return told()


def answering(stack: Stack) -> str:
    """The model that answers now."""
    answer = stack.client.post("/v1/chat/completions", json=question("assistant")).raise_for_status()
    return str(answer.json()["model"])


def answers_only(stack: Stack, server: ModelServer) -> bool:
    return all(answering(stack) == server.model.name for _ in range(IN_A_ROW))


DAYS = [7, *(7 + number // ANEW for number in range(RELOADS) if number % EVERY)]


def left_alone(stack: Stack, process: str) -> int:
    """How often it took a configuration and went on as it was."""
    lines = (json.loads(line) for line in stack.errors.read_text().splitlines() if line.startswith("{"))
    taken = (line for line in lines if line["message"].startswith("configuration taken: nothing"))
    return sum(line["process"] == process for line in taken)


@pytest.mark.timeout(900)
def test_a_hundred_reloads_under_load(servers: list[ModelServer], tmp_path: Path) -> None:
    with Stack(tmp_path, **settings(servers[0])) as stack:
        people = People(stack.url, "assistant")
        serving = servers[0]
        with people.asking(PEOPLE):
            for number in range(RELOADS):
                if number % EVERY == 0:
                    more, why = WRONG[number // EVERY % len(WRONG)]
                    write(stack, settings(servers[0], expose_arm=True) | more)
                    refused = reload(stack).problems
                    assert any(why in problem for problem in refused), refused
                    assert answers_only(stack, serving)
                else:
                    serving = servers[number % 2]
                    write(stack, settings(serving, retention={"days": 7 + number // ANEW}))
                    assert reload(stack).problems == ()
                    until(partial(answers_only, stack, serving), 60, "both have gone over", 0.05)
        assert people.broken == 0
        assert len(people.answered) > RELOADS
        assert not any(stack.metric("tipstaff_process_restarts_total", process=name) for name in stack.processes())
        ledger = stack.settled()
        assert ledger["exchanges"]["balanced"]
        assert stack.stop() == 0
    assert left_alone(stack, "scorer-0") == sum(days == before for before, days in pairwise(DAYS))


def test_what_is_in_force_stays_so_over_a_death(servers: list[ModelServer], tmp_path: Path) -> None:
    with Stack(tmp_path, **settings(servers[0])) as stack:
        write(stack, settings(servers[1]))
        for name in ("proxy-0", "proxy-1"):
            killed = stack.kill(name)
            until(partial(stack.restarted, name, killed), 60, "it is started again")
        until(lambda: answers_only(stack, servers[0]), 60, "both workers answer by the old configuration", 0.1)


def test_a_person_reloads_by_command_and_reads_why_not(servers: list[ModelServer], tmp_path: Path) -> None:
    (tmp_path / "ada.hash").write_text(hashed("token-of-ada"))
    (tmp_path / "ada.token").write_text("token-of-ada")
    tokens = [{"name": "ada", "role": "operator", "file": "ada.hash"}]
    with Stack(tmp_path, **settings(servers[0], admin_tokens=tokens)) as stack:
        admin = ("--admin", f"127.0.0.1:{stack.admin_port}", "--token-file", tmp_path / "ada.token")
        write(stack, settings(servers[1], admin_tokens=tokens))
        done = tipstaff("reload", *admin)
        assert (done.returncode, done.stdout) == (0, f"{stack.config} is in force\n"), done.stderr
        until(lambda: answers_only(stack, servers[1]), 60, "both have gone over", 0.05)

        write(stack, settings(servers[1], admin_tokens=tokens, retention={"days": -1}))
        refused = tipstaff("reload", *admin)
        assert refused.returncode == 1
        assert "retention.days" in refused.stderr
        entries = tipstaff("audit", "--action", "config.reload", *admin).stdout
        until(lambda: "refused" in tipstaff("audit", "--action", "config.reload", *admin).stdout, 20, "it is noted")
        assert entries.count("ada") >= 2, entries
        status = httpx.get(
            f"http://127.0.0.1:{stack.admin_port}/api/v1/status", headers={"authorization": "Bearer token-of-ada"}
        ).json()
        assert any("retention.days" in warning for warning in status["warnings"])


def test_a_weight_that_is_somebody_s_word_is_not_raised(servers: list[ModelServer], tmp_path: Path) -> None:
    def config(weight: int) -> dict[str, Any]:
        canary = {"endpoints": [servers[1].url], "weight": weight}
        return {"models": {"assistant": {"arms": {"stable": {"endpoints": [servers[0].url]}, "canary": canary}}}}

    with Stack(tmp_path, **config(10)) as stack:
        admin = f"127.0.0.1:{stack.admin_port}"
        assert not tipstaff("weights", "assistant", "canary=0", "--reason", "harm", "--admin", admin).returncode
        write(stack, config(20))
        (problem,) = reload(stack).problems
        assert problem == (
            "models.assistant.arms.canary.weight: 'canary' has 0 % by an operator's word (harm), and a "
            "configuration does not raise that: tipstaff weights assistant canary=20 --reason '...', "
            "or tipstaff rollout start"
        )
        write(stack, config(5))
        assert reload(stack).problems == ()
        assert stack.admin.get("/api/v1/models/assistant/weights").json()["weights"]["canary"] == 0


def test_a_key_that_has_gone_takes_nobody_down(servers: list[ModelServer], tmp_path: Path) -> None:
    """Keys are part of what is in force: whoever dies comes back with the one that it had."""
    key = tmp_path / "canary.key"
    key.write_text("s3cret")
    config = settings(servers[0], proxy={"workers": 1})
    config["models"]["assistant"]["arms"]["canary"] = {"endpoints": [servers[1].url], "api_key_file": "canary.key"}
    with Stack(tmp_path, **config) as stack:
        key.unlink()
        for name in ("proxy-0", "controller"):
            killed = stack.kill(name)
            until(partial(stack.restarted, name, killed), 60, "it is started again")
        until(lambda: answers_only(stack, servers[0]), 60, "clients are answered", 0.1)
        assert reload(stack).problems[0].startswith("models.assistant.arms.canary.api_key_file")
        assert answers_only(stack, servers[0])


def test_what_a_new_weight_cannot_do_is_said(servers: list[ModelServer], tmp_path: Path) -> None:
    def config(arms: dict[str, int]) -> dict[str, Any]:
        others = {name: {"endpoints": [servers[1].url], "weight": weight} for name, weight in arms.items()}
        return {"models": {"assistant": {"arms": {"stable": {"endpoints": [servers[0].url]}, **others}}}}

    with Stack(tmp_path, **config({"canary": 10})) as stack:
        admin = f"127.0.0.1:{stack.admin_port}"
        assert not tipstaff("weights", "assistant", "canary=20", "--reason", "a look", "--admin", admin).returncode
        for arms in ({"canary": 5}, {}, {"canary": 10}):  # lowered, taken away, and there again
            write(stack, config(arms))
            told = reload(stack)
            assert told.problems == ()
            assert bool(arms) is any("the weights stay those of an operator's word" in note for note in told.notes)
