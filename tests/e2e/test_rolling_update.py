"""`helm upgrade` of two gateways under load: pod by pod, no stream breaks, and the rollout under way goes on.

examples/production-stack.yaml as it is, at other addresses.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.demo.model_server import ModelServer
from tests.support.chart import Chart, Object, Rendered, example, merged
from tests.support.components import ComponentUse
from tests.support.kafka import KafkaBroker
from tests.support.plans import HARM
from tests.support.pod import Pod
from tests.support.postgres import PostgresServer
from tests.support.secrets import OPERATOR, SECRETS
from tests.support.service import Service, Streams
from tests.support.simulated import SLOW, simulated
from tests.support.wait import until

WORKLOAD = "test-tipstaff"
USERS = 8
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    """An answer takes seconds, so some are always under way."""
    with simulated("llama-v12", "llama-v13", behaviour=SLOW) as servers:
        yield servers


class Release:
    """Two gateways that share their state, as examples/production-stack.yaml has them."""

    def __init__(self, chart: Chart, folder: Path, places: Mapping[str, str]) -> None:
        self._values = example("production-stack")
        self._chart = chart
        self._folder = folder
        self._places = places

    def pods(self, more: Object) -> list[Pod]:
        """Both of them under these values; their claims are the same each time."""
        rendered: Rendered = self._chart.render(merged(self._values, more))
        return [
            Pod(rendered, WORKLOAD, self._folder, number=number, secrets=SECRETS, places=self._places)
            for number in range(2)
        ]


def admin(pod: Pod, path: str) -> Any:  # noqa: ANN401 - JSON
    """None where it has no answer now: it stands by, or its controller begins anew."""
    try:
        answer = httpx.get(f"{pod.admin}{path}", headers={"authorization": f"Bearer {OPERATOR}"}, timeout=20)
    except httpx.TransportError:
        return None
    return answer.json() if answer.is_success else None


def rollout(pods: list[Pod]) -> Any:  # noqa: ANN401 - JSON
    """As whoever leads tells it."""
    told = [admin(pod, "/api/v1/models/assistant/rollout") for pod in pods]
    return next((each for each in told if each), None)


def start_rollout(pods: list[Pod], folder: Path) -> Any:  # noqa: ANN401 - JSON
    plan = folder / "plan.yaml"
    plan.write_text(HARM)
    token = pods[0].here("/etc/tipstaff/secrets/tipstaff-tokens/ada")
    until(lambda: any(pod.leads(OPERATOR) for pod in pods), 60, "somebody leads", 0.1)
    leader = next(pod for pod in pods if pod.leads(OPERATOR))
    where = ("--admin", leader.admin, "--token-file", token)
    told = leader.command("rollout", "start", "assistant", "--plan", str(plan), "--reason", "v13", *where)
    assert told.returncode == 0, told.stderr
    return rollout(pods)


def test_no_stream_breaks_and_the_rollout_goes_on(
    components: ComponentUse,
    models: list[ModelServer],
    own_broker: KafkaBroker,
    guarded_postgres: PostgresServer,
    tmp_path: Path,
) -> None:
    chart = Chart(components.path("helm"))
    places = {
        "http://stable-router-service": models[0].url,
        "http://canary-router-service": models[1].url,
        "kafka:9092": own_broker.bootstrap,
        "postgres:5432": guarded_postgres.address,
    }
    release = Release(chart, tmp_path, places)
    own_broker.start()
    own_broker.wait_ready()
    with ExitStack() as stack:
        old = release.pods({})
        for pod in old:
            stack.callback(pod.stop)
            pod.launch()
        for pod in old:
            pod.ready()
        before = start_rollout(old, tmp_path)
        new = release.pods({"config": {"expose_arm": True}})  # old ones that still run see these files too
        for pod in new:
            stack.callback(pod.stop)
        service = Service(*(pod.url for pod in old))
        streams = Streams(service)
        with streams.reading(USERS):
            until(partial(streams.has_read, USERS), 60, "streams come whole", 0.1)
            for leaving, coming in reversed(list(zip(old, new, strict=True))):
                replace(service, leaving, coming)
                enough = streams.whole + USERS
                until(partial(streams.has_read, enough), 60, "streams come whole", 0.1)
        assert streams.broken == []
        assert all(streams.seen[pod.url] for pod in (*old, *new)), streams.seen
        until(lambda: rollout(new), 60, "somebody leads again", 0.1)
        after = rollout(new)
        assert (after["id"], after["status"]) == (before["id"], "running")


def replace(service: Service, leaving: Pod, coming: Pod) -> None:
    """As a StatefulSet does it: the claim goes from one to the other, so the first one ends before."""
    service.remove(leaving.url)
    assert leaving.retire() == 0  # within its grace period, far before it
    coming.launch().ready()
    service.add(coming.url)
