"""docs/kubernetes.md and docs/kubernetes-day-2.md, typed letter by letter from the pages.

helm and kubectl ask a real API server; what would be done in a pod is done in its processes here.
"""

import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.chart import Chart, Object, example, merged, parsed
from tests.support.components import ComponentUse
from tests.support.desk import Desk
from tests.support.kube import Cluster, control_plane
from tests.support.pages import blocks, line, row, said
from tests.support.people import question
from tests.support.plans import HARM
from tests.support.pod import Pod
from tests.support.wait import until

FIRST_DAY, DAY_TWO = "kubernetes.md", "kubernetes-day-2.md"
LIGHT: Object = {"config": {"scoring": {"encoder": "none"}, "expose_arm": True}}
"""Rules alone: it is the pages that are tried here; the examples as they are run in test_rendered_pod.py."""
PLAN = "/var/lib/tipstaff/plan.yaml"
BACKUP = "/var/lib/tipstaff/backup"
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: any}
spec: {capacity: {storage: 20Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /nowhere}}
"""
HANG_UP = (DAY_TWO, "kubectl exec gate-tipstaff-0 -- sh")
RESTART = (DAY_TWO, "kubectl rollout restart")
CONFIGURE = (DAY_TWO, "helm upgrade gate", "values.yaml")
UPGRADE = (DAY_TWO, "helm upgrade gate", "--wait --timeout 1h")
GOES_ON = (DAY_TWO, "kubectl exec gate-tipstaff-0 -- tipstaff rollout status")
BACK = (DAY_TWO, "helm rollback gate")
CLAIMS = (DAY_TWO, "kubectl get pvc")
GROW = (DAY_TWO, "kubectl edit pvc")
NO_RELEASE = (DAY_TWO, "helm -n drill uninstall")
NO_NAMESPACE = (DAY_TWO, "kubectl delete namespace")
TYPED = [HANG_UP, RESTART, CONFIGURE, UPGRADE, GOES_ON, BACK, CLAIMS, GROW, NO_RELEASE, NO_NAMESPACE]
NOT_TYPED = {
    "kubectl logs": "the name of a program alone",
    "kubectl port-forward": "the name of a program alone",
    "helm upgrade": "the name of a program alone",
    "helm rollback": "the name of a program alone",
    "helm upgrade gate ... --set maintenance=true": "what the drill's lines do",
    "kubectl exec -it gate-tipstaff-0 -- tipstaff controller CONFIG": "somebody ends it by hand",
}
pytestmark = [pytest.mark.timeout(600), pytest.mark.requires("helm")]


@pytest.fixture
def cluster(components: ComponentUse, tmp_path: Path) -> Iterator[Cluster]:
    """With room for one claim."""
    folder = tmp_path / "kube"
    folder.mkdir()
    with control_plane(components.path("kube"), components.path("helm"), folder) as (found, _):
        found.kubectl("create", "-f", "-", given=VOLUME)
        yield found


@pytest.mark.requires("kube")
def test_ten_commands(cluster: Cluster, chart: Chart, places: Mapping[str, str], tmp_path: Path) -> None:
    (ten,) = blocks(FIRST_DAY)
    assert len(ten) == 10
    desk = Desk(tmp_path / "clone", cluster)
    pod = Pod(chart.render(merged(example("standalone"), LIGHT), "gate"), "gate-tipstaff", tmp_path, places=places)
    with pod:
        desk.reaches(pod)
        told = desk.type(*ten)
    assert "is fine" in told
    assert "balanced" in told
    assert "rolled back" in told


def ask(pod: Pod) -> httpx.Response:
    body = question("assistant", max_tokens=8)
    return httpx.post(f"{pod.url}/v1/chat/completions", json=body, headers={"x-user-id": "ada"}, timeout=60)


def do(pod: Pod, *arguments: str) -> str:
    """In the pod, with paths as they are there."""
    ended = pod.command(*(pod.here(word) for word in arguments))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def start_rollout(pod: Pod) -> None:
    Path(pod.here(PLAN)).write_text(HARM)
    do(pod, "rollout", "start", "assistant", "--plan", PLAN, "--reason", "v13", "--admin", pod.admin)


def test_every_line_of_day_two_is_typed_or_it_is_said_why_not() -> None:
    lines = {line(*each) for each in TYPED}
    spoken = {each for each in said(DAY_TWO) if each.startswith(("helm ", "kubectl "))}
    assert spoken - lines == set(NOT_TYPED)
    assert len(blocks(DAY_TWO)) == 2


@pytest.mark.requires("kube")
def test_another_configuration_an_upgrade_and_back(
    cluster: Cluster, places: Mapping[str, str], tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "clone", cluster)
    values = merged(merged(example("standalone"), LIGHT), {"onConfigChange": "reload"})
    desk.values(values)
    desk.type(*(each for each in blocks(FIRST_DAY)[0] if each.startswith("helm install")))
    with Pod(desk.manifest("gate"), "gate-tipstaff", tmp_path, places=places) as pod:
        desk.reaches(pod)
        assert "x-tipstaff-arm" in ask(pod).headers
        start_rollout(pod)
        desk.values(merged(values, {"config": {"expose_arm": False}}))
        desk.type(line(*CONFIGURE))
        pod.change(desk.manifest("gate"))
        desk.type(line(*HANG_UP))
        until(lambda: "x-tipstaff-arm" not in ask(pod).headers, 30, "the reload is in force", 0.1)
        desk.type(line(*RESTART), line(*UPGRADE))
        assert "RUNNING" in desk.type(line(*GOES_ON))
        desk.type(line(*BACK))
        assert "data-gate-tipstaff-0" in desk.type(line(*CLAIMS))
        assert "no changes made" in desk.type(f"{line(*GROW)} 2>&1")


@pytest.mark.requires("kube")
def test_a_backup_is_restored_in_a_drill(
    cluster: Cluster, chart: Chart, places: Mapping[str, str], tmp_path: Path
) -> None:
    values = merged(example("standalone"), LIGHT)
    desk = Desk(tmp_path / "clone", cluster)
    desk.values(values)
    back_up, drill = blocks(DAY_TWO)
    install, copy, restore, wake, *looks = drill
    with Pod(chart.render(values, "gate"), "gate-tipstaff", tmp_path, places=places) as pod:
        desk.reaches(pod)
        start_rollout(pod)
        desk.type(*back_up)
        assert not Path(pod.here(BACKUP)).exists()
    desk.type(install)
    drilled = partial(Pod, workload="drill-tipstaff", folder=tmp_path, places=places)
    with drilled(desk.manifest("drill", "drill")).launch_only() as asleep:
        desk.reaches(asleep, "drill")
        desk.type(copy, restore)
    desk.type(wake)
    with drilled(desk.manifest("drill", "drill")) as awake:
        desk.reaches(awake, "drill")
        assert "canary       50 %" in desk.type(*looks)
        assert "RUNNING" in do(awake, "rollout", "status", "assistant", "--admin", awake.admin)
        assert ask(awake).is_success
    desk.type(line(*NO_RELEASE), line(*NO_NAMESPACE))


def test_a_drill_speaks_for_nobody(chart: Chart) -> None:
    flags = line(DAY_TWO, "--set config.events=null")
    files = parsed(chart.text(example("production-stack"), "drill", *shlex.split(flags))).files("drill-tipstaff")
    (alone,) = map(yaml.safe_load, files.values())
    assert alone["events"] == {"source": "drill-tipstaff-0"}
    assert not alone["state"]


def test_the_unit_key_is_changed_in_maintenance(chart: Chart, places: Mapping[str, str], tmp_path: Path) -> None:
    *_, asleep, rotate, awake = row(DAY_TWO, "the unit key, one gateway")
    rotate = rotate.replace("CONFIG", "/etc/tipstaff/config/gate-tipstaff-0.yaml")
    desk = Desk(tmp_path / "clone")
    exec_it = f"kubectl exec gate-tipstaff-0 -- {rotate}"

    def pod(more: str) -> Pod:
        values = merged(merged(example("standalone"), LIGHT), yaml.safe_load(more))
        return Pod(chart.render(values, "gate"), "gate-tipstaff", tmp_path, places=places)

    with pod(awake) as running:
        key = Path(running.here("/var/lib/tipstaff/data/keys/unit.key"))
        before = key.read_bytes()
        desk.reaches(running)
        assert "rc 4" in desk.type(f'{exec_it} || echo "rc $?"')  # it runs
    with pod(asleep).launch_only() as sleeping:
        desk.reaches(sleeping)
        desk.type(exec_it)
    with pod(awake) as running:
        assert key.read_bytes() != before
        assert ask(running).is_success


def test_one_that_lost_its_claim_is_named_anew(chart: Chart) -> None:
    lost = yaml.safe_load(line(DAY_TWO, "sources:"))
    files = chart.render(merged(example("production-stack"), lost), "gate").files("gate-tipstaff")
    ((pod, name),) = lost["sources"].items()
    assert yaml.safe_load(files[f"{pod}.yaml"])["events"]["source"] == name
    assert name in yaml.safe_load(files["gate-tipstaff-0.yaml"])["events"]["gather"]
