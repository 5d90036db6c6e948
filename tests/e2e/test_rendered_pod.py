"""What Kubernetes would run is run here: the examples as they are, every argument, file and variable of their pods.

Only addresses are others: of Services, of the broker, of PostgreSQL, which asks for the password of the Secret.
What is not as in a cluster stands in tests/support/pod.py, and: nothing spreads requests over two pods as a Service
does (the rolling update has that); the engine of a sidecar's pod is a simulated model, for vLLM's image is not ours
(tests/e2e/test_vllm_itself.py has the real one).
"""

import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import trustme

from gateway.demo.model_server import ModelServer
from tests.support.chart import Chart, Object, example, merged
from tests.support.kafka import KafkaBroker, KafkaCluster
from tests.support.people import question
from tests.support.pod import Pod
from tests.support.postgres import PostgresServer
from tests.support.secrets import OPERATOR, SECRETS, VIEWER
from tests.support.wait import until

pytestmark = pytest.mark.timeout(600)
SHIPPED = Path(__file__).parents[2] / "classifiers" / "constitution.yaml"
ADA = "/etc/tipstaff/secrets/tipstaff-tokens/ada"


@pytest.fixture
def broker(own_broker: KafkaBroker) -> KafkaBroker:
    own_broker.start()
    own_broker.wait_ready()
    return own_broker


def ask(pod: Pod, trusted: ssl.SSLContext | None = None) -> httpx.Response:
    body = question("assistant", max_tokens=8)
    url = f"{pod.url}/v1/chat/completions"
    answer = httpx.post(url, json=body, headers={"x-user-id": "ada"}, timeout=60, verify=trusted or True)
    assert answer.status_code == 200, answer.text
    return answer


def served_by(pod: Pod, model: ModelServer) -> bool:
    """Whether it answers what the pod is asked now."""
    before = model.answered
    ask(pod)
    return model.answered > before


def admin(pod: Pod, path: str, token: str = OPERATOR) -> httpx.Response:
    return httpx.get(f"{pod.admin}{path}", headers={"authorization": f"Bearer {token}"}, timeout=20)


def is_scored(pod: Pod, identifier: str) -> bool:
    return admin(pod, f"/api/v1/exchanges/{identifier}").is_success


def move_to_canary(pod: Pod, *more: str) -> None:
    told = pod.command("weights", "assistant", "canary=100", "--reason", "test", "--admin", pod.admin, *more)
    assert told.returncode == 0, told.stderr


def test_standalone(chart: Chart, models: list[ModelServer], places: dict[str, str], tmp_path: Path) -> None:
    with Pod(chart.render(example("standalone")), "test-tipstaff", tmp_path, places=places) as pod:
        assert served_by(pod, models[0])
        identifier = ask(pod).headers["x-tipstaff-exchange"]
        until(lambda: is_scored(pod, identifier), 60, "a verdict of it", 0.1)
        assert pod.probed("liveness")
        move_to_canary(pod)
        until(lambda: served_by(pod, models[1]), 10, "proxies follow", 0.1)
        assert pod.retire() == 0
        # The claim outlives the pod: the next one carries on.
        pod.launch().ready()
        assert served_by(pod, models[1])


def test_all_that_the_examples_leave_out(
    chart: Chart, models: list[ModelServer], places: dict[str, str], tmp_path: Path
) -> None:
    """TLS, a constitution, variables of its own and of Secrets, a further volume, a name for a lost claim."""
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1")
    certificate = {
        "tls.crt": b"".join(each.bytes() for each in pair.cert_chain_pems).decode(),
        "tls.key": pair.private_key_pem.bytes().decode(),
    }
    secrets = {
        **SECRETS,
        "certificate": certificate,
        "one": {"expose": "true"},
        "variables": {"ADMIN_TOKEN_FILE": "/etc/more/ada"},
    }
    pod = Pod(chart.render(everything()), "test-tipstaff", tmp_path, secrets=secrets, places=places)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with pod:
        assert pod.probed("liveness")
        answer = ask(pod, trusted)
        assert answer.headers["x-tipstaff-arm"] == "stable"
        identifier = answer.headers["x-tipstaff-exchange"]
        until(lambda: is_scored(pod, identifier), 60, "a verdict of it", 0.1)
        assert admin(pod, "/api/v1/constitution", "nobody").status_code == 401
        assert "Of this test" in admin(pod, "/api/v1/constitution").text
        assert models[0].answered


def everything() -> Object:
    where = "/etc/tipstaff/secrets/certificate"
    more = {
        "secrets": ["certificate"],
        "constitution": SHIPPED.read_text().replace("title: The default constitution", "title: Of this test"),
        "sources": {"test-tipstaff-0": "test-tipstaff-0.b"},
        "env": [
            {"name": "TIPSTAFF__SCORING__ENCODER", "value": "none"},
            {"name": "TIPSTAFF__EXPOSE_ARM", "valueFrom": {"secretKeyRef": {"name": "one", "key": "expose"}}},
        ],
        "envFrom": [{"prefix": "TIPSTAFF__", "secretRef": {"name": "variables"}}],
        "extraVolumes": [{"name": "more", "secret": {"secretName": "tipstaff-tokens"}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/more", "readOnly": True}],
        "config": {"tls": {"cert": f"{where}/tls.crt", "key": f"{where}/tls.key"}},
    }
    return merged(example("standalone"), more)


def test_a_configuration_that_is_reloaded_in_the_pod(chart: Chart, places: dict[str, str], tmp_path: Path) -> None:
    values = merged(example("standalone"), {"onConfigChange": "reload", "config": {"expose_arm": True}})
    with Pod(chart.render(values), "test-tipstaff", tmp_path, places=places) as pod:
        assert "x-tipstaff-arm" in ask(pod).headers
        pod.change(chart.render(merged(values, {"config": {"expose_arm": False}})))
        pod.hang_up()
        until(lambda: "x-tipstaff-arm" not in ask(pod).headers, 30, "the reload is in force", 0.1)


def test_the_split_over_kafka_and_postgresql(
    chart: Chart,
    models: list[ModelServer],
    places: dict[str, str],
    kafka_jars: Path,
    guarded_postgres: PostgresServer,
    tmp_path: Path,
) -> None:
    """Three brokers, for the example wants three copies; of its pairs of proxies and scorers the first ones."""
    rendered = chart.render(example("split"))
    with KafkaCluster(kafka_jars, tmp_path / "kafka") as brokers, ExitStack() as stack:
        places |= {"kafka:9092": brokers.bootstrap, "postgres:5432": guarded_postgres.address}

        def launched(role: str, number: int = 0) -> Pod:
            name = f"test-tipstaff-{role}"
            pod = Pod(rendered, name, tmp_path, number=number, secrets=SECRETS, places=places)
            stack.callback(pod.stop)
            return pod.launch()

        controls = [launched("control", number).ready() for number in range(2)]
        places["http://test-tipstaff-admin:9191"] = controls[0].admin
        proxy = launched("proxy")
        launched("scorer")
        proxy.ready()
        assert served_by(proxy, models[0])
        identifier = ask(proxy).headers["x-tipstaff-exchange"]
        until(lambda: is_scored(proxy, identifier), 90, "the scorer read it, the proxy has the verdict", 0.2)
        until(lambda: any(pod.leads(VIEWER) for pod in controls), 30, "one control leads", 0.1)
        (control,) = (pod for pod in controls if pod.leads(VIEWER))
        until(lambda: is_scored(control, identifier), 90, "the control has gathered it", 0.2)
        move_to_canary(control, "--token-file", control.here(ADA))
        until(lambda: served_by(proxy, models[1]), 20, "the proxy follows the control", 0.1)
        for pod in (control, proxy):
            assert "tipstaff_requests_total" in admin(pod, "/metrics", VIEWER).text


def central_control() -> Object:
    """As docs/kubernetes.md has it for sidecars: a public admin port, and their pods on its list."""
    tokens = "/etc/tipstaff/secrets/tipstaff-tokens"
    config = {
        "admin_tokens": [
            {"name": "ada", "role": "operator", "file": f"{tokens}/ada"},
            {"name": "canary", "role": "proxy", "file": f"{tokens}/proxies"},
        ],
        "unit_key_file": "/etc/tipstaff/secrets/tipstaff-unit-key/key",
        "events": {"kafka": {"bootstrap": "kafka:9092"}, "gather": ["test-tipstaff-0", "test-tipstaff-1"]},
    }
    more = {"admin": {"public": True}, "secrets": ["tipstaff-tokens", "tipstaff-unit-key"], "config": config}
    return merged(example("standalone"), more)


def engine_is_up(pod: Pod) -> bool:
    """What the startup probe of the engine beside it says."""
    (engine,) = pod.spec["containers"]
    words = [pod.here(word) for word in engine["startupProbe"]["exec"]["command"]]
    return subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0


def test_a_sidecar_follows_the_central_control(
    chart: Chart, models: list[ModelServer], places: dict[str, str], broker: KafkaBroker, tmp_path: Path
) -> None:
    places |= {"kafka:9092": broker.bootstrap}
    rendered = chart.render(central_control(), "control")
    control = Pod(rendered, "control-tipstaff", tmp_path, secrets=SECRETS, places=places)
    beside = {
        "http://control-tipstaff-admin:9191": control.admin,
        "http://stable-tipstaff-engines:8000": models[0].url,
        "http://127.0.0.1:8000": models[1].url,
        "kafka:9092": broker.bootstrap,
    }
    sidecar = Pod(chart.render(example("sidecar")), "test-tipstaff", tmp_path, secrets=SECRETS, places=beside)
    with control, sidecar:
        assert engine_is_up(sidecar)
        assert served_by(sidecar, models[0])  # nobody is on the canary yet
        identifier = ask(sidecar).headers["x-tipstaff-exchange"]
        until(lambda: is_scored(control, identifier), 90, "the control has gathered it", 0.2)
        move_to_canary(control, "--token-file", control.here(ADA))
        until(lambda: served_by(sidecar, models[1]), 20, "the sidecar follows", 0.1)
