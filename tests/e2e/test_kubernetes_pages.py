"""docs/kubernetes.md, typed letter by letter: helm and kubectl ask a real API server, and what would be done in the
pod is done in its processes here. And what docs/kubernetes-day-2.md says of backups, restores and keys.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from gateway.demo.model_server import ModelServer
from tests.support.chart import CHART, Chart, Object, example, merged
from tests.support.components import ComponentUse
from tests.support.kube import Cluster, control_plane
from tests.support.people import question
from tests.support.plans import HARM
from tests.support.pod import Pod
from tests.support.simulated import simulated

ROOT = CHART.parents[1]
LIGHT: Object = {"config": {"scoring": {"encoder": "none"}, "expose_arm": True}}
PLAN = "/var/lib/tipstaff/plan.yaml"
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: any}
spec: {capacity: {storage: 20Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /nowhere}}
"""
# `kubectl exec POD -- tipstaff ...` goes to the process that stands for the pod; all else to the real one.
SHIM = """\
#!{python}
import os, sys
words = sys.argv[1:]
if words[0] != "exec":
    os.execv({kubectl!r}, ["kubectl", *words])
assert words[1:4] == [{pod!r}, "--", "tipstaff"], words
here = [word.replace("/etc/tipstaff", {etc!r}) for word in words[4:]]
os.execve({python!r}, [{python!r}, "-m", "gateway.cli", *here], {environment!r})
"""
pytestmark = [pytest.mark.timeout(600), pytest.mark.requires("helm")]


@pytest.fixture
def chart(components: ComponentUse) -> Chart:
    return Chart(components.path("helm"))


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    with simulated("llama-v12", "llama-v13") as servers:
        yield servers


@pytest.fixture
def places(models: list[ModelServer]) -> dict[str, str]:
    return {"http://vllm-stable:8000": models[0].url, "http://vllm-canary:8000": models[1].url}


@pytest.fixture
def cluster(components: ComponentUse, tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "kube"
    folder.mkdir()
    with control_plane(components.path("kube"), components.path("helm"), folder) as (found, _):
        yield found


def ten_commands() -> list[str]:
    (block,) = re.findall(
        r"^```sh\n(.*?)^```$", (ROOT / "docs" / "kubernetes.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(block).splitlines()


def type_in(lines: list[str], folder: Path, programs: Path, kubeconfig: Path) -> str:
    """As one person does, from the root of a clone."""
    environment = {"PATH": f"{programs}:{os.defpath}", "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
    typed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert typed.returncode == 0, typed.stdout[-2000:] + typed.stderr[-2000:]
    return typed.stdout


def programs_of(cluster: Cluster, pod: Pod, folder: Path) -> Path:
    """helm, and a kubectl that reaches into the pod."""
    found = folder / "programs"
    found.mkdir()
    (found / "helm").symlink_to(cluster.helm)
    shim = SHIM.format(
        python=sys.executable,
        kubectl=str(cluster.programs / "kubectl"),
        pod=pod.name,
        etc=pod.here("/etc/tipstaff/config").removesuffix("/config"),
        environment={
            **pod.environment,
            "TIPSTAFF__ADMIN": pod.admin.removeprefix("http://"),
            "PYTHONPATH": str(ROOT),
        },
    )
    (found / "kubectl").write_text(shim)
    (found / "kubectl").chmod(0o755)
    return found


@pytest.mark.requires("kube")
def test_ten_commands(cluster: Cluster, chart: Chart, places: Mapping[str, str], tmp_path: Path) -> None:
    assert len(ten_commands()) == 10
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "helm", clone / "helm")  # what its links lead to comes along
    cluster.kubectl("create", "-f", "-", given=VOLUME)
    pod = Pod(chart.render(merged(example("standalone"), LIGHT), "gate"), "gate-tipstaff", tmp_path, places=places)
    with pod:
        told = type_in(ten_commands(), clone, programs_of(cluster, pod, tmp_path), cluster.kubeconfig)
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


def test_a_backup_is_restored_in_a_drill(chart: Chart, places: Mapping[str, str], tmp_path: Path) -> None:
    values = merged(example("standalone"), LIGHT)
    backup = "/var/lib/tipstaff/backup"
    with Pod(chart.render(values, "gate"), "gate-tipstaff", tmp_path, places=places) as pod:
        Path(pod.here(PLAN)).write_text(HARM)
        do(
            pod,
            "rollout",
            "start",
            "assistant",
            "--plan",
            PLAN,
            "--reason",
            "v13",
            "--admin",
            pod.admin,
        )
        do(pod, "backup", "/etc/tipstaff/config/gate-tipstaff-0.yaml", backup)
    asleep = chart.render(merged(values, {"maintenance": True}), "drill")
    with Pod(asleep, "drill-tipstaff", tmp_path, places=places).launch_only() as drill:
        shutil.copytree(pod.here(backup), drill.here(backup))
        do(drill, "restore", backup, "/etc/tipstaff/config/drill-tipstaff-0.yaml")
    with Pod(chart.render(values, "drill"), "drill-tipstaff", tmp_path, places=places) as drill:
        do(drill, "rollout", "verify", "assistant", "--admin", drill.admin)
        assert "canary       50 %" in do(drill, "weights", "assistant", "--admin", drill.admin)
        assert "RUNNING" in do(drill, "rollout", "status", "assistant", "--admin", drill.admin)
        assert ask(drill).is_success


def test_the_unit_key_is_changed_in_maintenance(chart: Chart, places: Mapping[str, str], tmp_path: Path) -> None:
    values = merged(example("standalone"), LIGHT)
    config = "/etc/tipstaff/config/gate-tipstaff-0.yaml"
    with Pod(chart.render(values, "gate"), "gate-tipstaff", tmp_path, places=places) as pod:
        key = Path(pod.here("/var/lib/tipstaff/data/keys/unit.key"))
        before = key.read_bytes()
        refused = pod.command("rotate-unit-key", pod.here(config))
        assert refused.returncode == 4, refused.stderr  # it runs
    asleep = chart.render(merged(values, {"maintenance": True}), "gate")
    with Pod(asleep, "gate-tipstaff", tmp_path, places=places).launch_only() as pod:
        do(pod, "rotate-unit-key", config)
    with Pod(chart.render(values, "gate"), "gate-tipstaff", tmp_path, places=places) as pod:
        assert key.read_bytes() != before
        assert ask(pod).is_success
