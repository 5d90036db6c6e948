"""A rendered pod as processes of this machine: its files, arguments and variables, paths and addresses remapped.

Everything that Kubernetes would hand to tipstaff's container comes from the rendered objects, and from the
Dockerfile: what it starts, where, with which variables. PATH leads to the tests' Python, PYTHONPATH to this clone.
Not here, for there is no container: the user, the read-only root and the capabilities of `securityContext`, the
limits of `resources`, process number 1, DNS. Nothing else of a pod is started: a sidecar's engine is a test's own.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import httpx

from tests.support import dockerfile
from tests.support.chart import Object, Rendered
from tests.support.mounts import Mounts, Secrets, held, moved
from tests.support.ports import free_port
from tests.support.processes import MARK
from tests.support.wait import until

DATA, ADMIN = 8080, 9191
START_SECONDS, STOP_SECONDS = 120.0, 120.0
ROOT = Path(__file__).parents[2]


class Pod:
    """tipstaff's container of one pod of `workload`. Use as a context manager, or only ask for its `command`.

    `secrets`: name -> key -> text, as the cluster has them. `places`: what names in the configuration stand for
    here, for there is no DNS.
    """

    def __init__(
        self,
        rendered: Rendered,
        workload: str,
        folder: Path,
        *,
        number: int = 0,
        secrets: Secrets | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"{workload}-{number}"
        self.folder = folder / self.name
        self.ports = {DATA: free_port(), ADMIN: free_port()}
        self._places = dict(places or {})
        owner = next(each for each in rendered.objects if _runs(each, workload))
        self._file = "scorer.yaml" if owner["kind"] == "Deployment" else f"{self.name}.yaml"
        self.spec: Object = owner["spec"]["template"]["spec"]
        containers = [*self.spec.get("initContainers", ()), *self.spec["containers"]]
        (self.container,) = (each for each in containers if each["name"] == "tipstaff")
        self._secrets = secrets or {}
        self._mounts = Mounts(self.folder / "root", self.container, self.spec)
        self.change(rendered)
        self._process: subprocess.Popen[bytes] | None = None
        self.output = self.folder / "output"

    def change(self, rendered: Rendered) -> None:
        """Its files become those of `rendered`, as the kubelet does it in a pod that runs."""
        self._rendered = rendered
        self._mounts.fill(rendered, self._secrets, self.here)

    @property
    def url(self) -> str:
        """Of its data port; by what the probe of it says it speaks."""
        asked = self.container.get("readinessProbe", {}).get("httpGet", {})
        scheme = asked["scheme"].lower() if asked.get("port") == "data" else "http"
        return f"{scheme}://127.0.0.1:{self.ports[DATA]}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.ports[ADMIN]}"

    @property
    def folders(self) -> Mapping[str, str]:
        """The path of each mount -> where it is here."""
        return self._mounts.folders

    @property
    def workdir(self) -> str:
        """Where the image starts its processes."""
        return self.here(dockerfile.workdir())

    @property
    def pid(self) -> int:
        """Of its process, which is number 1 in a container."""
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        """The image's, then what is rendered; MARK lets the tests find what outlives them."""
        found = {name: self.here(value) for name, value in dockerfile.variables().items()}
        found["PATH"] = f"{Path(sys.executable).parent}:{os.defpath}"
        found |= {"PYTHONPATH": str(ROOT), MARK: os.environ.get(MARK, "")}
        for each in self.container.get("envFrom", ()):
            found |= {name: self.here(value) for name, value in self._all_of(each).items()}
        for each in self.container["env"]:
            found[each["name"]] = self.here(each["value"] if "value" in each else self._one_of(each["valueFrom"]))
        return found

    def _all_of(self, source: Object) -> Mapping[str, str]:
        ((kind, reference),) = ((key, value) for key, value in source.items() if key != "prefix")
        content = held(self._rendered, self._secrets, kind, reference["name"])
        return {source.get("prefix", "") + name: value for name, value in content.items()}

    def _one_of(self, source: Object) -> str:
        ((kind, reference),) = source.items()
        if kind == "fieldRef":
            assert reference == {"fieldPath": "metadata.name"}, f"{reference}: only the pod's name is known here"
            return self.name
        return held(self._rendered, self._secrets, kind, reference["name"])[reference["key"]]

    @property
    def arguments(self) -> list[str]:
        """As the kubelet expands them: `$(NAME)` is a variable of the container."""
        given = self.environment
        words = self.container.get("args", ())
        expanded = (re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], word) for word in words)
        return [self.here(word) for word in expanded]

    @property
    def config(self) -> Path:
        """The file that is its own."""
        return Path(self.here(f"/etc/tipstaff/config/{self._file}"))

    def here(self, text: str) -> str:
        """`text` with what its paths and addresses are on this machine."""
        text = moved(text, self.folders)
        for port, ours in self.ports.items():
            text = re.sub(rf"\b(0\.0\.0\.0|127\.0\.0\.1):{port}\b", f"127.0.0.1:{ours}", text)
        for name, place in self._places.items():
            text = text.replace(name, place)
        return text

    def _started(self) -> list[str]:
        """A command stands in place of what the image starts."""
        if "command" in self.container:
            return [*self.container["command"], *self.arguments]
        return [*dockerfile.entry_point(), *self.arguments]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`kubectl exec POD -- tipstaff ARGUMENTS`."""
        return subprocess.run(
            ["tipstaff", *arguments],
            env=self.environment,
            cwd=self.workdir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def probed(self, probe: str) -> bool:
        """Whether the probe of that name would pass now."""
        given = self.container[f"{probe}Probe"]
        asked = given["httpGet"]
        (port,) = (each["containerPort"] for each in self.container["ports"] if each["name"] == asked["port"])
        url = f"{asked['scheme'].lower()}://127.0.0.1:{self.ports[port]}{asked['path']}"
        try:
            answer = httpx.get(url, timeout=given["timeoutSeconds"], verify=False)  # noqa: S501 - nor does the kubelet
        except httpx.TransportError:
            return False
        return answer.is_success

    def leads(self, token: str) -> bool:
        """Whether it is the one of several that decides; `token`: a viewer's."""
        headers = {"authorization": f"Bearer {token}"}
        return "tipstaff_leads 1.0" in httpx.get(f"{self.admin}/metrics", headers=headers, timeout=20).text

    def launch(self) -> Self:
        """Start its process, and wait for nothing."""
        self._mounts.empty()
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._started(),
                env=self.environment,
                cwd=self.workdir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @contextmanager
    def launch_only(self) -> Iterator[Self]:
        """In maintenance: its process runs, and is ready for nobody."""
        try:
            yield self.launch()
        finally:
            self.stop()

    def ready(self) -> Self:
        """Wait until its startup probe, then its readiness probe, have passed."""
        process = self._process
        assert process is not None
        for probe in ("startup", "readiness"):
            passed = partial(self._ended_or_probed, process, probe)
            until(passed, START_SECONDS, f"{self.name} passes its {probe} probe", 0.05)
        assert process.poll() is None, f"{self.name} ended with {process.returncode}: {self.said()}"
        return self

    def _ended_or_probed(self, process: subprocess.Popen[bytes], probe: str) -> bool:
        return process.poll() is not None or self.probed(probe)

    def said(self) -> str:
        """The end of its log."""
        return self.output.read_text(errors="replace")[-3000:]

    def hang_up(self) -> None:
        """`kill -HUP 1` in the container."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        """SIGTERM, as the kubelet sends it once preStop is over; wait for nothing."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def retire(self) -> int:
        """As the cluster ends it: it goes on for as long as its preStop sleeps, then `stop`."""
        time.sleep(self.container["lifecycle"]["preStop"]["sleep"]["seconds"])
        return self.stop()

    def stop(self) -> int:
        """SIGTERM and its exit code; it is killed, and the test hears of it, when that takes too long."""
        grace = min(STOP_SECONDS, self.spec["terminationGracePeriodSeconds"])
        self.terminate()
        if self._process is None:
            return 0
        try:
            return self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def __enter__(self) -> Self:
        return self.launch().ready()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _runs(each: Object, workload: str) -> bool:
    return each["kind"] in ("StatefulSet", "Deployment") and each["metadata"]["name"] == workload
