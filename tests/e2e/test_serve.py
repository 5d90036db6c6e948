"""`tipstaff serve`, as the person who runs it sees it: starts, refusals to start, weights, ends, deaths."""

import re
import shutil
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from gateway.demo.model_server import ModelServer
from gateway.demo.simulated import SimulatedModel
from tests.support.people import People, question
from tests.support.ports import free_port, listening
from tests.support.simulated import SLOW, UNHURRIED, simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

README = Path(__file__).parents[2] / "README.md"
TWO_LINES = """\
models:
  assistant: {{arms: {{stable: {{endpoints: ["{url}"]}}}}}}
"""
KILLED = ("proxy-0", "scorer-0", "controller")
ARMS = "TIPSTAFF__MODELS__ASSISTANT__ARMS"


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    """Two simulated models, `acme/v1` and `acme/v2`."""
    with simulated("acme/v1", "acme/v2") as servers:
        yield servers


def arms(models: list[ModelServer], **canary: Any) -> dict[str, Any]:  # noqa: ANN401 - configuration
    stable, second = models
    return {
        "assistant": {
            "arms": {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [second.url], **canary}}
        }
    }


def ask(stack: Stack, **headers: str) -> httpx.Response:
    return stack.client.post("/v1/chat/completions", json=question("assistant"), headers=headers)


def test_two_lines_of_configuration_are_enough(models: list[ModelServer], tmp_path: Path) -> None:
    with Stack(tmp_path, config=TWO_LINES.format(url=models[0].url)) as stack:
        answer = ask(stack, **{"x-user-id": "ada"})
        assert answer.status_code == 200
        assert answer.json()["model"] == "acme/v1"  # the server's one other name was found by itself
        assert "x-tipstaff-arm" not in answer.headers
        exchange = stack.exchange(answer.headers["x-tipstaff-exchange"])
        assert exchange["assignment"]["unit_source"] == "header:x-user-id"
        until(lambda: stack.said("first verdict"), 10, "serve tells of the first verdict")
        told = stack.output.read_text()
        assert f"first exchange  {exchange['id']}" in told
        assert f"first verdict   {exchange['id']}" in told
        assert stack.stop() == 0


def test_what_is_wrong_with_a_configuration_is_said_line_by_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("listen: 8080\nworkers: 3\nmodels: {assistant: {arms: {stable: {endpoints: [vllm-a]}}}}\n")
    ended = tipstaff("serve", config)
    assert ended.returncode == 2, ended
    lines = ended.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        "models.assistant.arms.stable.endpoints.0",
        "listen",
        "workers",
    ]
    assert all(line.startswith("tipstaff: ") for line in lines)
    assert ended.stdout == ""


def test_a_server_under_another_name_stops_the_first_start_and_no_later_one(
    models: list[ModelServer], tmp_path: Path
) -> None:
    asked_for = arms(models, model="acme/v2")
    with Stack(tmp_path, asked_for) as stack:
        models[1].model = SimulatedModel("acme/v3", 3)
        killed = stack.kill("proxy-0")
        until(partial(stack.restarted, "proxy-0", killed), 60, "the proxy is started again")
        until(lambda: _warned(stack, "serves: acme/v3"), 60, "it warns")
        assert ask(stack).status_code == 200
        assert stack.stop() == 0
        stack.start()
        assert ask(stack).status_code == 200

    (tmp_path / "another").mkdir()
    with pytest.raises(RuntimeError, match=r"(?s)ended with 2:.*serves: acme/v3"):
        Stack(tmp_path / "another", asked_for).start()


def _warned(stack: Stack, words: str) -> bool:
    return any(words in warning for warning in stack.status()["warnings"])


def test_a_taken_port_is_exit_code_3(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        (tmp_path / "config.yaml").write_text(TWO_LINES.format(url="http://127.0.0.1:9"))
        port = other.getsockname()[1]
        ports = {"TIPSTAFF__LISTEN": f"127.0.0.1:{port}", "TIPSTAFF__ADMIN": f"127.0.0.1:{free_port()}"}
        ended = tipstaff("serve", tmp_path / "config.yaml", environment=ports)
    assert ended.returncode == 3, ended
    assert f"127.0.0.1:{port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def as_written() -> str:
    """The configuration in the README, letter by letter."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def test_an_operator_s_word_on_the_weights_holds(models: list[ModelServer], tmp_path: Path) -> None:
    endpoints = {
        f"{ARMS}__STABLE__ENDPOINTS": f"[{models[0].url}]",
        f"{ARMS}__CANARY__ENDPOINTS": f"[{models[1].url}]",
        "TIPSTAFF__EXPOSE_ARM": "true",
        "TIPSTAFF__PROXY__WORKERS": "2",
    }
    with Stack(tmp_path, config=as_written(), environment=endpoints) as stack:
        admin = f"http://127.0.0.1:{stack.admin_port}"
        share = Counter(ask(stack, **{"x-user-id": f"user-{n}"}).headers["x-tipstaff-arm"] for n in range(100))
        assert 1 <= share["canary"] <= 25, share

        set_weights = ("weights", "assistant", "canary=100", "--reason", "the story", "--admin", admin)
        assert "canary       100 %" in tipstaff(*set_weights).stdout
        assert _seconds_until_all_follow(stack, "canary") < 1.0

        # It outlives a restart, although the YAML says 10. A second start on the folder in use is refused.
        second = tipstaff("serve", stack.config, environment=stack.environment)
        assert second.returncode == 4, second
        assert f"in use by process {stack.pid()}" in second.stderr
        assert stack.stop() == 0
        stack.start()
        assert stack.said("canary      100 %")
        assert ask(stack).headers["x-tipstaff-arm"] == "canary"
        assert _route(stack)["decided_by"] == "operator"

        # A volume that is lost is not a first start: nobody knows whether the canary had been rolled back.
        assert stack.stop() == 0
        shutil.rmtree(stack.data)
        stack.start()
        assert {ask(stack, **{"x-user-id": f"user-{n}"}).headers["x-tipstaff-arm"] for n in range(30)} == {"stable"}
        assert _route(stack)["weights"] == {"stable": 100, "canary": 0}
        assert "state of this data folder was lost" in _route(stack)["reason"]
        assert any("state of this data folder was lost" in warning for warning in stack.status()["warnings"])


def _route(stack: Stack) -> dict[str, Any]:
    (model,) = stack.status()["models"]
    return dict(model)


def _seconds_until_all_follow(stack: Stack, arm: str) -> float:
    """From now to the last answer by another arm, seen over new connections, which any worker may get."""
    start = last = time.monotonic()
    in_a_row = 0
    while in_a_row < 60:
        at = time.monotonic()
        in_a_row += 1
        if ask(stack).headers["x-tipstaff-arm"] != arm:
            last, in_a_row = at, 0
    return last - start


def test_an_operator_looks_at_one_arm(models: list[ModelServer], tmp_path: Path) -> None:
    token = tmp_path / "admin.token"
    token.write_text("the-admin-token-of-this-test\n")
    token.chmod(0o600)
    forced = {"x-tipstaff-force-arm": "canary", "x-tipstaff-admin-token": "the-admin-token-of-this-test"}
    with Stack(tmp_path, arms(models), admin_token_file=str(token), expose_arm=True) as stack:
        assert ask(stack).headers["x-tipstaff-arm"] == "stable"
        assert ask(stack, **{**forced, "x-tipstaff-admin-token": "guessed"}).status_code in (401, 403)
        seen = ask(stack, **forced)
        assert seen.headers["x-tipstaff-arm"] == "canary"
        exchange = stack.exchange(seen.headers["x-tipstaff-exchange"])
        assigned = exchange["assignment"]
        assert (assigned["arm"], assigned["served"], assigned["forced"]) == ("stable", "canary", True)
        assert [each["id"] for each in stack.exchanges(forced="true")] == [exchange["id"]]
        assert httpx.get(f"http://127.0.0.1:{stack.admin_port}/api/v1/status", timeout=10).status_code == 401
        rates = stack.admin.get("/api/v1/models/assistant/rates").raise_for_status().json()["arms"]
        counted = {each["arm"]: (each["exchanges"], each["forced"]) for each in rates}
        assert counted == {"stable": (1, 1)}


def test_a_stream_finishes_whether_the_gateway_is_told_to_end_or_loses_its_supervisor(tmp_path: Path) -> None:
    with (
        simulated("acme/v1", behaviour=SLOW) as (model,),
        Stack(tmp_path, config=TWO_LINES.format(url=model.url)) as stack,
    ):
        with _stream(stack) as told:
            lines = told.iter_lines()
            next(lines)
            stack.terminate()
            until(lambda: not listening(stack.port), 1.5, "a new client is refused, not left to wait")
            assert stack.pid("proxy-0") in psutil.pids(), "it still serves those who were there"
            assert _last(lines) == "data: [DONE]"
        assert stack.wait() == 0

        stack.start()
        others = [psutil.Process(stack.pid(name)) for name in stack.processes()]
        assert len(others) == 3
        with _stream(stack) as left_alone:
            lines = left_alone.iter_lines()
            next(lines)
            stack.kill("")
            assert _last(lines) == "data: [DONE]"
        assert psutil.wait_procs(others, timeout=60)[1] == []
        assert stack.wait() == -9

        stack.start()  # nothing of the old ones is left: no lock, no port
        ended = {each["id"]: each["reason"] for each in _settled_exchanges(stack)}
        assert ended == {answer.headers["x-tipstaff-exchange"]: "complete" for answer in (told, left_alone)}


def _stream(stack: Stack) -> Any:  # noqa: ANN401 - httpx's own context manager
    body = question("assistant", stream=True)
    return stack.client.stream("POST", "/v1/chat/completions", json=body)


def _last(lines: Iterator[str]) -> str:
    return [line for line in lines if line][-1]


def _settled_exchanges(stack: Stack) -> list[dict[str, Any]]:
    """All exchanges, once the ledger is settled; each of them has exactly one verdict."""
    ledger = stack.settled()
    listed = stack.exchanges()
    assert len({each["id"] for each in listed}) == len(listed) == ledger["exchanges"]["appended"]
    assert ledger["verdicts"]["appended"] == len(listed)
    return listed


def test_kill_9_of_every_process_under_load_and_the_ledger_balances(tmp_path: Path) -> None:
    with (
        simulated("acme/v1", "acme/v2", behaviour=UNHURRIED) as models,
        Stack(tmp_path, arms(models, weight=30)) as stack,
    ):
        people = People(stack.url, "assistant")
        with people.asking(6):
            _goes_on(people)
            for _ in range(3):
                killed = {name: stack.kill(name) for name in KILLED}
                for name, pid in killed.items():
                    until(partial(stack.restarted, name, pid), 90, f"{name} is started again")
                _goes_on(people)
        listed = _settled_exchanges(stack)
        _nothing_unaccounted(stack, people, listed)
        restarts = stack.admin.get("/metrics").text
        for name in KILLED:
            assert f'tipstaff_process_restarts_total{{process="{name}"}} 3.0' in restarts


def _goes_on(people: People) -> None:
    before = len(people.answered)
    until(lambda: len(people.answered) > before + 50, 90, "people get answers")


def _nothing_unaccounted(stack: Stack, people: People, listed: list[dict[str, Any]]) -> None:
    """Every answer that came whole is on record, but for what the ledger says was in flight at a kill -9."""
    exchanges = stack.ledger()["exchanges"]
    assert set(exchanges["dropped"]) == {"crash"}, exchanges
    lost = exchanges["dropped"]["crash"]
    assert exchanges["started"] == exchanges["appended"] + lost
    unrecorded = people.answered - {each["id"] for each in listed}
    assert len(unrecorded) <= lost, (unrecorded, lost)
    assert len(people.answered) <= exchanges["started"]
    assert lost <= len(unrecorded) + people.broken, (lost, people.broken)
