"""A real Kubernetes control plane on 127.0.0.1: etcd, API server, controllers, scheduler, and kwok as the kubelets.

kwok runs no images: pods are scheduled, admitted and reported as ready, and nothing of them is started.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trustme
import yaml

from tests.support.ports import free_port
from tests.support.wait import until

START_SECONDS = 120.0
KWOK_STAGES = Path(__file__).with_name("kwok")
_ADMIN = "system:masters"
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "fake-0",
        "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "fake-0"},
    },
    "status": {
        kind: {"cpu": "32", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": "8"}
        for kind in ("allocatable", "capacity")
    },
}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Asked with the programs that people ask with."""

    programs: Path
    helm: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str | Path, given: object = None) -> str:
        """What it prints; AssertionError with its words when it fails. `given`: objects for `-f -`."""
        ended = self.try_kubectl(*arguments, given=given)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def try_kubectl(self, *arguments: str | Path, given: object = None) -> subprocess.CompletedProcess[str]:
        return self._run(self.programs / "kubectl", *arguments, given=given)

    def run_helm(self, *arguments: str | Path, given: object = None) -> subprocess.CompletedProcess[str]:
        return self._run(self.helm, *arguments, given=given)

    def get(self, *arguments: str) -> Object:
        """An object, or a list of them."""
        found: Object = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def _run(self, program: Path, *arguments: str | Path, given: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            env={"PATH": os.defpath, "HOME": str(self.kubeconfig.parent), "KUBECONFIG": str(self.kubeconfig)},
            input=given if isinstance(given, str) else json.dumps(given),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


class ControlPlane:
    """Its processes, from the folder that the component `kube` built, with everything they keep in `folder`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.pids: list[int] = []
        self.kubeconfig = folder / "kubeconfig"
        self._api = f"https://127.0.0.1:{free_port()}"
        self._keys()

    def _keys(self) -> None:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        certificate = authority.issue_cert("127.0.0.1", "10.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(self._folder / "ca.crt")
        certificate.private_key_pem.write_to_path(self._folder / "api.key")
        certificate.cert_chain_pems[0].write_to_path(self._folder / "api.crt")
        (self._folder / "tokens.csv").write_text(f'{self._token},admin,admin,"{_ADMIN}"\n')
        server = {"server": self._api, "certificate-authority": str(self._folder / "ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "clusters": [{"name": "test", "cluster": server}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def start(self) -> None:
        """All of it, in order; returns once a node is there."""
        etcd = self._start_etcd()
        self._start_api(etcd)
        self._start_controllers()
        self._ask("POST", f"{self._api}/api/v1/nodes", NODE)

    def _start_etcd(self) -> str:
        clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._start(
            "etcd",
            *("--data-dir", "etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        )
        self._until_well("etcd", f"{clients}/health")
        return clients

    def _start_api(self, etcd: str) -> None:
        self._start(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._api.rpartition(':')[2]}",
            "--advertise-address=127.0.0.1",
            "--authorization-mode=RBAC",
            "--tls-cert-file=api.crt",
            "--tls-private-key-file=api.key",
            "--token-auth-file=tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=api.key",
            "--service-account-signing-key-file=api.key",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
        )
        self._until_well("kube-apiserver", f"{self._api}/readyz")

    def _start_controllers(self) -> None:
        ports = {name: free_port() for name in ("kube-controller-manager", "kube-scheduler", "kwok")}
        for name, more in (
            ("kube-controller-manager", ("--service-account-private-key-file=api.key", "--root-ca-file=ca.crt")),
            ("kube-scheduler", ()),
        ):
            own = ("--bind-address=127.0.0.1", f"--secure-port={ports[name]}", "--leader-elect=false")
            self._start(name, f"--kubeconfig={self.kubeconfig}", f"--cert-dir={name}", *own, *more)
        stages = [*(self._programs / "stages").glob("*.yaml"), *KWOK_STAGES.glob("*.yaml")]
        self._start(
            "kwok",
            f"--kubeconfig={self.kubeconfig}",
            *("--manage-all-nodes=true", "--cidr=10.1.0.0/16", "--node-ip=10.1.0.1"),
            *("--node-lease-duration-seconds=40", f"--server-address=127.0.0.1:{ports['kwok']}"),
            *(word for stage in stages for word in ("-c", str(stage))),
        )
        for name, port in ports.items():
            scheme = "http" if name == "kwok" else "https"
            self._until_well(name, f"{scheme}://127.0.0.1:{port}/healthz")

    def _start(self, name: str, *arguments: str) -> None:
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                [self._programs / name, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append((name, process))
        self.pids.append(process.pid)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _until_well(self, name: str, url: str) -> None:
        try:
            until(lambda: self._is_well(url), START_SECONDS, f"{name} is well", 0.1)
        except AssertionError as late:
            raise AssertionError(f"{late}: {self._log(name).read_text(errors='replace')[-2000:]}") from None

    def _is_well(self, url: str) -> bool:
        try:
            return self._ask("GET", url).is_success
        except httpx.TransportError:
            return False

    def _ask(self, method: str, url: str, body: object = None) -> httpx.Response:
        """Without a look at certificates: controllers sign their own."""
        headers = {"authorization": f"Bearer {self._token}"}
        with httpx.Client(verify=False, timeout=10) as client:  # noqa: S501 - our own, on loopback
            return client.request(method, url, headers=headers, json=body)

    def stop(self) -> None:
        """End all of it, the last one first."""
        for _, process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def control_plane(programs: Path, helm: Path, folder: Path) -> Iterator[tuple[Cluster, list[int]]]:
    """A cluster, and the pids of what runs it."""
    plane = ControlPlane(programs, folder)
    with ExitStack() as stack:
        stack.callback(plane.stop)
        plane.start()
        yield Cluster(programs, helm, plane.kubeconfig), plane.pids
