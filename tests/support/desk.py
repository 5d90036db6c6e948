"""Where somebody sits who types what a page says: in a clone, with helm and a kubectl that reaches into pods."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.support import reach
from tests.support.chart import CHART, Object, Rendered, parsed
from tests.support.kube import Cluster
from tests.support.pod import Pod


class Desk:
    """`folder` becomes the clone. Without a cluster there are only pods."""

    def __init__(self, folder: Path, cluster: Cluster | None = None) -> None:
        self.folder = folder
        self._programs = folder / "programs"
        self._table = folder / "pods.json"
        self._kubeconfig = cluster.kubeconfig if cluster else folder / "none"
        shutil.copytree(CHART.parent, folder / "helm")  # what its links lead to comes along
        self._programs.mkdir()
        self._table.write_text("{}")
        if cluster:
            (self._programs / "helm").symlink_to(cluster.helm)
        kubectl = cluster.programs / "kubectl" if cluster else folder / "none"
        reach.write(self._programs / "kubectl", kubectl, self._table)

    def values(self, values: Object) -> None:
        """They become `values.yaml`."""
        (self.folder / "values.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    def reaches(self, pod: Pod, namespace: str = "") -> None:
        """From now on `kubectl` finds the process of this pod; its admin port is not the usual one here."""
        pods = json.loads(self._table.read_text())
        pods[f"{namespace}/{pod.name}"] = {
            "folders": dict(pod.folders),
            "environment": {**pod.environment, "TIPSTAFF__ADMIN": pod.admin.removeprefix("http://")},
            "workdir": pod.workdir,
            "pid": pod.pid,
        }
        self._table.write_text(json.dumps(pods))

    def manifest(self, release: str, namespace: str = "default") -> Rendered:
        """What the release is made of now, as the cluster keeps it."""
        return parsed(self.type(f"helm -n {namespace} get manifest {release}"))

    def type(self, *lines: str) -> str:
        """One after the other; what they print. AssertionError where one fails."""
        environment = {
            "PATH": f"{self._programs}:{os.defpath}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self._kubeconfig),
            "KUBE_EDITOR": "true",  # somebody who looks, and changes nothing
        }
        typed = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert typed.returncode == 0, typed.stdout[-2000:] + typed.stderr[-2000:]
        return typed.stdout
