"""A rendered pod as processes of this machine: its files, arguments and variables, paths and addresses remapped.

Everything that Kubernetes would hand to tipstaff's container comes from the rendered objects; nothing else is set.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.chart import Object, Rendered
from tests.support.ports import free_port
from tests.support.processes import MARK
from tests.support.wait import until

DATA, ADMIN = 8080, 9191
START_SECONDS = 120.0
Secrets = Mapping[str, Mapping[str, str]]


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
        self._lay_out(rendered, secrets or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.output = self.folder / "output"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[DATA]}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.ports[ADMIN]}"

    @property
    def environment(self) -> dict[str, str]:
        """What is rendered, and what every container has; MARK lets the tests find what outlives them."""
        found = {"PATH": os.defpath, MARK: os.environ.get(MARK, "")}
        for each in self.container["env"]:
            found[each["name"]] = self.here(each["value"] if "value" in each else self._field(each["valueFrom"]))
        return found

    @property
    def arguments(self) -> list[str]:
        """As the kubelet expands them: `$(NAME)` is a variable of the container."""
        given = self.environment
        words = self.container["args"]
        expanded = (re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], word) for word in words)
        return [self.here(word) for word in expanded]

    @property
    def config(self) -> Path:
        """The file that is its own."""
        return Path(self.here(f"/etc/tipstaff/config/{self._file}"))

    def here(self, text: str) -> str:
        """`text` with what its paths and addresses are on this machine."""
        paths = sorted((each["mountPath"] for each in self.container["volumeMounts"]), key=len, reverse=True)
        mounted = "|".join(map(re.escape, paths))
        text = re.sub(rf"(?<![\w/.])({mounted})(?![\w-])", lambda found: self._at(found[0]), text)
        for port, ours in self.ports.items():
            text = re.sub(rf"\b(0\.0\.0\.0|127\.0\.0\.1):{port}\b", f"127.0.0.1:{ours}", text)
        for name, place in self._places.items():
            text = text.replace(name, place)
        return text

    def _at(self, path: str) -> str:
        return str(self.folder / "root" / path.lstrip("/"))

    def _field(self, source: Mapping[str, Any]) -> str:
        assert source == {"fieldRef": {"fieldPath": "metadata.name"}}, (
            f"{source}: only the pod's name is known here"
        )
        return self.name

    def _lay_out(self, rendered: Rendered, secrets: Secrets) -> None:
        """Every mount becomes a folder, with what its volume holds."""
        volumes = {each["name"]: each for each in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            Path(self._at(mount["mountPath"])).mkdir(parents=True, exist_ok=True)
        for mount in self.container["volumeMounts"]:
            volume = volumes.get(mount["name"], {})  # a claim of the StatefulSet's is an empty folder
            content: Mapping[str, str] = {}
            if "configMap" in volume:
                content = rendered.one("ConfigMap", volume["configMap"]["name"])["data"]
            elif "secret" in volume:
                content = secrets[volume["secret"]["secretName"]]
            for name, text in content.items():
                (Path(self._at(mount["mountPath"])) / name).write_text(self.here(text))

    def _started(self) -> list[str]:
        """The image's entry point is `tipstaff`; a command goes before it."""
        if "command" in self.container:
            program, *words = self.container["command"]
            assert program == "python"
            return [sys.executable, *words]
        return [sys.executable, "-m", "gateway.cli", *self.arguments]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`kubectl exec POD -- tipstaff ARGUMENTS`."""
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def probed(self, probe: str) -> bool:
        """Whether the probe of that name would pass now."""
        asked = self.container[f"{probe}Probe"]["httpGet"]
        (port,) = (each["containerPort"] for each in self.container["ports"] if each["name"] == asked["port"])
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[port]}{asked['path']}", timeout=5).is_success
        except httpx.TransportError:
            return False

    def launch(self) -> Self:
        """Start its process, and wait for nothing."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._started(),
                env=self.environment,
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

    def stop(self, grace: float = 120) -> int:
        """SIGTERM and its exit code; it is killed, and the test hears of it, when that takes too long."""
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
