"""What Kubernetes would run is run here: every rendered argument, file and variable, as local processes."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.demo.model_server import ModelServer
from tests.support.chart import Chart, Object, example, merged
from tests.support.components import ComponentUse
from tests.support.kafka import KafkaBroker
from tests.support.people import question
from tests.support.pod import Pod
from tests.support.secrets import OPERATOR, SECRETS, VIEWER
from tests.support.simulated import simulated
from tests.support.wait import until

pytestmark = pytest.mark.timeout(600)
LIGHT: Object = {"config": {"scoring": {"encoder": "none"}, "expose_arm": True}}
"""Rules alone: several gateways start on one machine here."""


@pytest.fixture
def chart(components: ComponentUse) -> Chart:
    return Chart(components.path("helm"))


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    with simulated("llama-v12", "llama-v13") as servers:
        yield servers


def ask(pod: Pod, user: str = "ada") -> httpx.Response:
    body = question("assistant", max_tokens=8)
    return httpx.post(f"{pod.url}/v1/chat/completions", json=body, headers={"x-user-id": user}, timeout=60)


def admin(pod: Pod, path: str, token: str = OPERATOR) -> Any:  # noqa: ANN401 - JSON
    return httpx.get(
        f"{pod.admin}{path}", headers={"authorization": f"Bearer {token}"}, timeout=20
    ).raise_for_status()


def is_scored(pod: Pod, identifier: str, token: str = OPERATOR) -> bool:
    found = httpx.get(
        f"{pod.admin}/api/v1/exchanges/{identifier}", headers={"authorization": f"Bearer {token}"}, timeout=20
    )
    return found.is_success


def test_standalone(chart: Chart, models: list[ModelServer], tmp_path: Path) -> None:
    values = merged(example("standalone"), LIGHT)
    places = {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}
    pod = Pod(chart.render(values), "test-tipstaff", tmp_path, places=places)
    with pod:
        answer = ask(pod)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-tipstaff-arm"] == "stable"
        identifier = answer.headers["x-tipstaff-exchange"]
        until(lambda: is_scored(pod, identifier), 60, "a verdict of it", 0.1)
        assert pod.probed("liveness")
        told = pod.command("weights", "assistant", "canary=100", "--reason", "the test", "--admin", pod.admin)
        assert told.returncode == 0, told.stderr
        until(lambda: ask(pod).headers["x-tipstaff-arm"] == "canary", 10, "proxies follow", 0.1)
        assert pod.stop() == 0
        # The claim outlives the pod: the next one carries on.
        pod.launch().ready()
        assert ask(pod).headers["x-tipstaff-arm"] == "canary"


def test_a_configuration_that_is_reloaded_in_the_pod(
    chart: Chart, models: list[ModelServer], tmp_path: Path
) -> None:
    values = merged(merged(example("standalone"), LIGHT), {"onConfigChange": "reload"})
    places = {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}
    with Pod(chart.render(values), "test-tipstaff", tmp_path, places=places) as pod:
        assert "x-tipstaff-arm" in ask(pod).headers
        another = merged(values, {"config": {"expose_arm": False}})
        pod.config.write_text(pod.here(chart.render(another).files("test-tipstaff")["test-tipstaff-0.yaml"]))
        pod.hang_up()
        until(lambda: "x-tipstaff-arm" not in ask(pod).headers, 30, "the reload is in force", 0.1)


def test_the_split_over_kafka_and_postgresql(
    chart: Chart, models: list[ModelServer], kafka_broker: KafkaBroker, database: str, tmp_path: Path
) -> None:
    kafka = {"bootstrap": kafka_broker.bootstrap, "prefix": "chart.", "replication": 1}
    values = merged(
        merged(example("split"), LIGHT),
        {
            "drainSeconds": 10,
            "split": {"proxy": {"replicas": 1}, "control": {"replicas": 1}},
            "config": {"events": {"kafka": kafka}, "state": {"url": database, "password_file": None}},
        },
    )
    rendered = chart.render(values)
    places = {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}
    control = Pod(rendered, "test-tipstaff-control", tmp_path, secrets=SECRETS, places=places)
    admin_service = {"http://test-tipstaff-admin:9191": control.admin}
    proxy = Pod(rendered, "test-tipstaff-proxy", tmp_path, secrets=SECRETS, places={**places, **admin_service})
    scorer = Pod(rendered, "test-tipstaff-scorer", tmp_path, secrets=SECRETS, places=places)
    with ExitStack() as stack:
        for pod in (control, proxy):
            stack.callback(pod.stop)
            pod.launch()
        stack.callback(scorer.stop)
        scorer.launch()
        control.ready()
        proxy.ready()
        answer = ask(proxy)
        assert answer.status_code == 200, answer.text
        identifier = answer.headers["x-tipstaff-exchange"]
        until(lambda: is_scored(proxy, identifier), 90, "the scorer read it, the proxy has the verdict", 0.2)
        until(lambda: is_scored(control, identifier), 90, "the control has gathered it", 0.2)
        told = control.command(
            *("weights", "assistant", "canary=100", "--reason", "the test", "--admin", control.admin),
            *("--token-file", control.here("/etc/tipstaff/secrets/tipstaff-tokens/ada")),
        )
        assert told.returncode == 0, told.stderr
        until(lambda: ask(proxy).headers["x-tipstaff-arm"] == "canary", 20, "the proxy follows the control", 0.1)
        for pod in (control, proxy):
            assert "tipstaff_requests_total" in admin(pod, "/metrics", VIEWER).text


def test_a_sidecar_follows_the_central_control(chart: Chart, models: list[ModelServer], tmp_path: Path) -> None:
    """The control is a standalone gateway with a public admin port; the engine in the pod is a simulated model."""
    tokens = {
        "admin_tokens": [
            {"name": "ada", "role": "operator", "file": "/etc/tipstaff/secrets/tipstaff-tokens/ada"},
            {"name": "canary", "role": "proxy", "file": "/etc/tipstaff/secrets/tipstaff-tokens/proxies"},
        ],
        "unit_key_file": "/etc/tipstaff/secrets/tipstaff-unit-key/key",
    }
    public = {"admin": {"public": True}, "secrets": ["tipstaff-tokens", "tipstaff-unit-key"], "config": tokens}
    places = {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}
    control = Pod(
        chart.render(merged(merged(example("standalone"), LIGHT), public), "control"),
        "control-tipstaff",
        tmp_path,
        secrets=SECRETS,
        places=places,
    )
    port = int(models[1].url.rpartition(":")[2])
    beside = {"sidecar": {"engine": {"port": port}}, "config": {"events": {"kafka": None}}}
    sidecar = Pod(
        chart.render(merged(merged(example("sidecar"), LIGHT), beside)),
        "test-tipstaff",
        tmp_path,
        secrets=SECRETS,
        places={
            "http://control-tipstaff-admin:9191": control.admin,
            "http://stable-tipstaff-engines:8000": models[0].url,
        },
    )
    with control, sidecar:
        assert ask(sidecar).headers["x-tipstaff-arm"] == "stable"  # nobody is on the canary yet
        told = httpx.put(
            f"{control.admin}/api/v1/models/assistant/weights",
            json={"weights": {"canary": 100}, "reason": "the test"},
            headers={"authorization": f"Bearer {OPERATOR}"},
            timeout=20,
        )
        assert told.is_success, told.text
        until(lambda: ask(sidecar).headers["x-tipstaff-arm"] == "canary", 20, "the sidecar follows", 0.1)
