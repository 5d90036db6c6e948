"""Every example on a real API server: what it admits and refuses, what upgrades keep and rollbacks bring back.

kwok stands in for the kubelet: pods are admitted (Pod Security `restricted` is enforced), scheduled and bound to
their claims, and nothing of them runs. tests/e2e/test_rendered_pod.py does that.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, EXAMPLES, Chart, Object, example, merged
from tests.support.components import ComponentUse
from tests.support.kube import Cluster, control_plane
from tests.support.secrets import SECRETS
from tests.support.wait import until

CRDS = Path(__file__).parents[1] / "fixtures" / "crds"
NAMESPACE = "models"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
pytestmark = [pytest.mark.timeout(600), pytest.mark.requires("helm", "kube")]


@pytest.fixture(scope="module")
def cluster(
    components: ComponentUse, lasting_processes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A namespace that admits restricted pods only, with what the examples name; Prometheus' kinds are known."""
    folder = tmp_path_factory.mktemp("kube")
    with control_plane(components.path("kube"), components.path("helm"), folder) as (found, pids):
        lasting_processes.update(pids)
        found.kubectl("apply", "--server-side", "-f", CRDS)
        found.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        found.kubectl("create", "namespace", NAMESPACE)
        found.kubectl("label", "namespace", NAMESPACE, RESTRICTED)
        for name, content in SECRETS.items():
            make(found, "v1", "Secret", name, stringData=content)
        claim(found, "models")
        yield found


def make(cluster: Cluster, version: str, kind: str, name: str, **more: Any) -> None:  # noqa: ANN401 - an object's parts
    metadata = {"name": name, "namespace": NAMESPACE}
    cluster.kubectl("apply", "-f", "-", given={"apiVersion": version, "kind": kind, "metadata": metadata, **more})


def claim(cluster: Cluster, name: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    make(cluster, "v1", "PersistentVolumeClaim", name, spec=spec)
    volumes(cluster, 1)


def volumes(cluster: Cluster, number: int) -> None:
    """As many that claims of 20Gi can be bound to: nothing here makes them on demand."""
    for _ in range(number):
        spec = {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/nowhere"},
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"generateName": "v-"}, "spec": spec}
        cluster.kubectl("create", "-f", "-", given=volume)


def helm(cluster: Cluster, command: str, *arguments: str | Path, values: Object | None = None) -> str:
    given = () if values is None else ("--values", "-")
    ended = cluster.run_helm(command, *arguments, "--namespace", NAMESPACE, *given, given=values)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def install(cluster: Cluster, release: str, values: Object, chart: Path = CHART) -> None:
    gateways = 4 if values.get("mode") == "split" else values.get("replicas", 1)
    volumes(cluster, gateways)
    helm(cluster, "install", release, chart, "--wait", "--timeout", "120s", values=values)


def upgrade(cluster: Cluster, release: str, values: Object) -> None:
    helm(cluster, "upgrade", release, CHART, "--wait", "--timeout", "120s", values=values)


def found(cluster: Cluster, kind: str, release: str) -> list[Object]:
    items: list[Object] = cluster.get(kind, "-n", NAMESPACE, "-l", f"app.kubernetes.io/instance={release}")["items"]
    return items


def identities(cluster: Cluster, kind: str, release: str) -> dict[str, str]:
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found(cluster, kind, release)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_installed_and_its_claims_outlive_it(cluster: Cluster, name: str) -> None:
    install(cluster, name, example(name))
    assert "Succeeded" in helm(cluster, "test", name, "--timeout", "60s")
    pods = found(cluster, "pods", name)
    assert pods
    assert {each["status"]["phase"] for each in pods} == {"Running"}
    helm(cluster, "uninstall", name, "--wait", "--timeout", "60s")
    gateways = {f"data-{each['metadata']['name']}" for each in pods if "-scorer-" not in each["metadata"]["name"]}
    assert set(identities(cluster, "pvc", name)) == gateways


def test_an_upgrade_from_the_version_before_keeps_claims_and_secrets(cluster: Cluster, tmp_path: Path) -> None:
    before = shutil.copytree(CHART, tmp_path / "tipstaff")
    meta = yaml.safe_load((before / "Chart.yaml").read_text())
    (before / "Chart.yaml").write_text(yaml.safe_dump({**meta, "version": "0.0.9", "appVersion": "0.0.9"}))
    install(cluster, "kept", example("standalone"), before)
    claims, secrets = identities(cluster, "pvc", "kept"), SECRETS.keys() & _secrets(cluster)
    assert set(claims) == {"data-kept-tipstaff-0"}
    assert images(cluster) == {"tipstaff:0.0.9"}
    another = {"drainSeconds": 60, "persistence": {"size": "20Gi"}, "config": {"expose_arm": True}}
    upgrade(cluster, "kept", merged(example("standalone"), another))
    until(lambda: images(cluster) == {"tipstaff:0.1.0"}, 60, "the pod is replaced", 0.1)
    assert identities(cluster, "pvc", "kept") == claims
    assert SECRETS.keys() & _secrets(cluster) == secrets == set(SECRETS)
    bound = found(cluster, "pvc", "kept")[0]["spec"]["volumeName"]
    helm(cluster, "rollback", "kept", "1", "--wait", "--timeout", "60s")
    until(lambda: images(cluster) == {"tipstaff:0.0.9"}, 60, "the pod is as it was", 0.1)
    config = cluster.get("configmap", "kept-tipstaff-config", "-n", NAMESPACE)["data"]["kept-tipstaff-0.yaml"]
    assert "expose_arm" not in config
    assert identities(cluster, "pvc", "kept") == claims
    assert found(cluster, "pvc", "kept")[0]["spec"]["volumeName"] == bound
    helm(cluster, "uninstall", "kept", "--wait", "--timeout", "60s")


def images(cluster: Cluster) -> set[str]:
    return {each["spec"]["containers"][0]["image"] for each in found(cluster, "pods", "kept")}


def _secrets(cluster: Cluster) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.get("secrets", "-n", NAMESPACE)["items"]}


def test_a_gateway_more_and_one_less(cluster: Cluster) -> None:
    """Scaled in, the claim stays: whoever comes back finds what had not been relayed."""
    values = example("production-stack")
    install(cluster, "pair", values)
    volumes(cluster, 1)
    upgrade(cluster, "pair", merged(values, {"replicas": 3}))
    claims = identities(cluster, "pvc", "pair")
    assert len(claims) == 3
    upgrade(cluster, "pair", values)
    until(lambda: len(found(cluster, "pods", "pair")) == 2, 60, "one pod less", 0.1)
    assert identities(cluster, "pvc", "pair") == claims
    helm(cluster, "uninstall", "pair", "--wait", "--timeout", "60s")


def test_our_service_account_may_do_nothing(cluster: Cluster) -> None:
    install(cluster, "least", example("standalone"))
    account = f"system:serviceaccount:{NAMESPACE}:least-tipstaff"
    allowed = cluster.kubectl("auth", "can-i", "--list", "-n", NAMESPACE, "--as", account)
    assert "secrets" not in allowed
    for verb, kind in (("get", "secrets"), ("list", "pods"), ("get", "configmaps"), ("create", "pods")):
        asked = cluster.try_kubectl("auth", "can-i", verb, kind, "-n", NAMESPACE, "--as", account)
        assert asked.stdout.strip() == "no"
    (pod,) = found(cluster, "pods", "least")
    assert not any("projected" in volume for volume in pod["spec"]["volumes"])  # no token is in the pod either
    helm(cluster, "uninstall", "least", "--wait", "--timeout", "60s")


def test_the_cluster_refuses_a_pod_that_is_not_restricted(cluster: Cluster, components: ComponentUse) -> None:
    """So that the installs above show something."""
    chart = Chart(components.path("helm"))
    spec = chart.render(example("standalone")).one("Pod")["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": NAMESPACE}}
    dry = ("apply", "--dry-run=server", "-f", "-")
    cluster.kubectl(*dry, given={**pod, "spec": {**spec, "serviceAccountName": "default"}})
    loose = merged(spec, {"serviceAccountName": "default", "securityContext": {"runAsNonRoot": False}})
    refused = cluster.try_kubectl(*dry, given={**pod, "spec": loose})
    assert refused.returncode
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_the_api_server_refuses_what_no_schema_does(cluster: Cluster) -> None:
    volumes(cluster, 1)
    wrong = merged(
        example("standalone"), {"resources": {"requests": {"memory": "9Gi"}, "limits": {"memory": "1Gi"}}}
    )
    ended = cluster.run_helm("install", "wrong", CHART, "--namespace", NAMESPACE, "--values", "-", given=wrong)
    assert ended.returncode
    assert "must be less than or equal to memory limit" in ended.stderr


def test_a_claim_s_size_and_a_release_s_mode_are_fixed(cluster: Cluster) -> None:
    """docs/kubernetes-day-2.md, Scale: what an upgrade cannot change is refused, and what runs goes on."""
    install(cluster, "fixed", example("standalone"))
    pods = identities(cluster, "pods", "fixed")
    services = found(cluster, "services", "fixed")
    larger = merged(example("standalone"), {"persistence": {"size": "30Gi"}})
    assert "field is immutable" in refusal(cluster, "fixed", larger)
    assert "runs in standalone mode" in refusal(cluster, "fixed", example("sidecar"))
    assert found(cluster, "services", "fixed") == services  # they lead where they led
    assert identities(cluster, "pods", "fixed") == pods
    helm(cluster, "uninstall", "fixed", "--wait", "--timeout", "60s")


def refusal(cluster: Cluster, release: str, values: Object) -> str:
    ended = cluster.run_helm("upgrade", release, CHART, "--namespace", NAMESPACE, "--values", "-", given=values)
    assert ended.returncode
    return ended.stderr
