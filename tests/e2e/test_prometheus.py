"""A real Prometheus watches two proxy workers: what it adds up is what was sent, also over a kill -9."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import httpx

from gateway.demo.behaviour import Behaviour
from gateway.demo.wording import topics
from gateway.telemetry import counterfile, metrics
from tests.support.components import ComponentUse, requires
from tests.support.people import People, question
from tests.support.prometheus import Prometheus, prometheus, started
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

SENT = 200
ALL_REQUESTS = "sum(tipstaff_requests_total)"


@requires("prometheus")
def test_what_prometheus_adds_up_is_what_was_sent(components: ComponentUse, tmp_path: Path) -> None:
    program = components.path("prometheus")
    with simulated("acme/v1", "acme/v2") as (stable, canary):
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [canary.url], "weight": 50}}
        stack = Stack(tmp_path, {"assistant": {"arms": arms}}, proxy={"workers": 2}, expose_arm=True)
        with stack, prometheus(program, f"127.0.0.1:{stack.admin_port}", tmp_path) as server:
            by_arm = _send(stack)
            _prometheus_agrees(server, by_arm)
            assert all(_requests(stack, worker) > 0 for worker in ("proxy-0", "proxy-1"))
            assert _complaints(stack, program.with_name("promtool")) == ""
            assert _exposed(stack) == _documented()
            _kill_one_under_load(stack)
            until(
                lambda: _value(server, ALL_REQUESTS) == stack.metric("tipstaff_requests_total"), 30, "a scrape", 0.2
            )
            assert [name for name in _sums() if server.query(f"resets({name}[10m]) > 0")] == []
            assert _complaints(stack, program.with_name("promtool")) == ""


def _send(stack: Stack) -> Counter[str]:
    """Requests over new connections; how many each arm answered."""
    answers = (
        stack.client.post(
            "/v1/chat/completions", json=question("assistant"), headers={"x-user-id": f"user-{number}"}
        )
        for number in range(SENT)
    )
    return Counter(answer.raise_for_status().headers["x-tipstaff-arm"] for answer in answers)


def _prometheus_agrees(server: Prometheus, by_arm: Counter[str]) -> None:
    until(lambda: _value(server, ALL_REQUESTS) >= SENT, 30, "Prometheus has seen all requests", 0.2)
    assert _value(server, ALL_REQUESTS) == SENT
    seen = server.query('sum by (arm) (tipstaff_requests_total{code="200", reason="complete"})')
    assert {labels["arm"]: value for labels, value in seen} == by_arm
    assert _value(server, "sum(tipstaff_request_duration_seconds_count)") == SENT
    assert _value(server, 'tipstaff_rollout_weight_ratio{arm="canary"}') == 0.5
    until(lambda: _value(server, "sum(tipstaff_exchanges_scored_total)") == SENT, 30, "all are scored", 0.2)


def _kill_one_under_load(stack: Stack) -> None:
    people = People(stack.url, "assistant")
    with people.asking(4):
        killed = stack.kill("proxy-0")
        until(lambda: stack.restarted("proxy-0", killed), 90, "proxy-0 is started again")
        seen = len(people.answered)
        until(lambda: len(people.answered) > seen + 50, 60, "traffic goes on")
    stack.settled()


def _value(server: Prometheus, expression: str) -> float:
    return sum(value for _, value in server.query(expression))


def _requests(stack: Stack, process: str) -> float:
    """How many requests one process has counted."""
    numbers = counterfile.read(stack.data / "counters" / f"{process}.bin")
    return sum(values[0] for series, values in numbers if series.name == metrics.REQUESTS.name)


def _sums() -> list[str]:
    """Every series that must never fall."""
    counters = [metric.name for metric in metrics.ALL if metric.kind == "counter"]
    histograms = [metric.name for metric in metrics.ALL if metric.kind == "histogram"]
    return counters + [f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")]


def _exemplars(server: Prometheus) -> set[str]:
    """The exchanges that Prometheus has as exemplars of violations."""
    asked = {"query": "tipstaff_violations_total", "start": "0", "end": "9999999999"}
    found = httpx.get(f"{server.url}/api/v1/query_exemplars", params=asked, timeout=5).raise_for_status().json()
    return {each["labels"]["exchange_id"] for series in found["data"] for each in series["exemplars"]}


def _exposed(stack: Stack) -> set[str]:
    """Every metric that a scrape names."""
    lines = stack.admin.get("/metrics").raise_for_status().text.splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE ")}


def _documented() -> set[str]:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(tipstaff_\w+)`", page, re.MULTILINE))


def _complaints(stack: Stack, promtool: Path) -> str:
    """What `promtool check metrics` finds."""
    exposition = stack.admin.get("/metrics").raise_for_status().text
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exposition, capture_output=True, text=True, timeout=30, check=False
    )
    return checked.stdout + checked.stderr or ("" if checked.returncode == 0 else f"exit {checked.returncode}")


@requires("prometheus")
def test_what_observe_writes_is_all_that_a_prometheus_needs(components: ComponentUse, tmp_path: Path) -> None:
    program = components.path("prometheus")
    token = tmp_path / "token"
    token.write_text("nobody-guesses-this-token-of-the-admin")
    with simulated("acme/v1", behaviour=Behaviour(leaking=1.0)) as (stable,):
        models = {"assistant": {"arms": {"stable": {"endpoints": [stable.url]}}}}
        with Stack(tmp_path, models, scoring={"encoder": "none"}, admin_token_file=str(token)) as stack:
            said = {"role": "user", "content": next(said for said, topic in topics().items() if not topic.unsafe)}
            asked = stack.client.post("/v1/chat/completions", json={"model": "assistant", "messages": [said]})
            address = f"127.0.0.1:{stack.admin_port}"
            done = tipstaff("observe", stack.config, "--output", tmp_path / "observe", "--target", address)
            assert done.returncode == 0, done.stderr
            config = tmp_path / "observe" / "prometheus" / "prometheus.yml"
            command = [str(program.with_name("promtool")), "check", "config", str(config)]
            checked = subprocess.run(command, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stdout + checked.stderr
            with started(program, config, tmp_path) as server:
                until(lambda: server.query('up{job="tipstaff"} == 1'), 40, "it scrapes", 0.2)
                until(lambda: "unknown" not in server.rules().values(), 40, "every rule was evaluated", 0.2)
                assert set(server.rules().values()) == {"ok"}
                until(lambda: _exemplars(server), 40, "the violation has its exemplar", 0.2)
                assert _exemplars(server) == {asked.headers["x-tipstaff-exchange"]}
                until(
                    lambda: server.query('up{job="vllm", model="assistant", arm="stable"}'),
                    40,
                    "vLLM is asked",
                    0.2,
                )
            link = config.with_name("tipstaff.alerts.rules.yml").read_text().split("runbook_url: ")[1].split()[0]
            assert link.startswith("http://127.0.0.1:9191/runbook/"), link
            section = httpx.get(link.replace("127.0.0.1:9191", address))
            assert section.text.startswith(f"## {link.rpartition('/')[2]}")
