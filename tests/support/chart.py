"""The Helm chart, rendered or refused, and what is asked of its objects."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.components import ComponentUse

CHART = Path(__file__).parents[2] / "helm" / "tipstaff"
EXAMPLES = ("standalone", "sidecar", "production-stack", "split")
KUBERNETES = "1.37.0"
Object = dict[str, Any]


class Refused(Exception):
    """Helm does not render these values; the message is what it says."""


def example(name: str) -> Object:
    """The values of an example."""
    values: Object = yaml.safe_load(example_file(name).read_text())
    return values


def example_file(name: str) -> Path:
    return CHART / "examples" / f"{name}.yaml"


def merged(values: Object, more: Object) -> Object:
    """`more` over `values`, as Helm lays one file of values over another."""
    both = dict(values)
    for key, value in more.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `helm template` printed, in objects."""

    text: str
    objects: list[Object] = field(default_factory=list)

    def of(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Object:
        """The only one of that kind, or the one called `name`."""
        (found,) = (each for each in self.of(kind) if name in ("", each["metadata"]["name"]))
        return found

    def pods(self) -> Iterator[Object]:
        """The specification of every pod that would run."""
        for each in self.objects:
            if each["kind"] in ("StatefulSet", "Deployment"):
                yield each["spec"]["template"]["spec"]
            elif each["kind"] == "Pod":
                yield each["spec"]

    def files(self, workload: str) -> dict[str, str]:
        """What the pods of a workload have in /etc/tipstaff/config."""
        data: dict[str, str] = self.one("ConfigMap", f"{workload}-config")["data"]
        return data


def parsed(text: str) -> Rendered:
    """Of what Helm prints."""
    loaded = yaml.load_all(text, yaml.CSafeLoader)  # the dashboards are large
    return Rendered(text, [each for each in loaded if each])


@dataclass(frozen=True, slots=True)
class Chart:
    """Our chart, in the hands of the program `helm`."""

    helm: Path
    folder: Path = CHART

    def render(self, values: Object, release: str = "test") -> Rendered:
        """Raises Refused."""
        return parsed(self.text(values, release))

    def text(self, values: Object, release: str = "test", *flags: str) -> str:
        """What `helm template` prints. Raises Refused."""
        fixed = ("--kube-version", KUBERNETES, "--values", "-")
        ended = self._run("template", release, self.folder, *fixed, *flags, given=values)
        if ended.returncode:
            raise Refused(ended.stderr)
        return ended.stdout

    def lint(self, values: Object) -> str:
        """What `helm lint --strict` has to say. Raises Refused."""
        ended = self._run("lint", self.folder, "--strict", "--quiet", "--values", "-", given=values)
        if ended.returncode:
            raise Refused(ended.stdout + ended.stderr)
        return ended.stdout

    def _run(self, *arguments: str | Path, given: Object) -> subprocess.CompletedProcess[str]:
        command = [str(self.helm), *map(str, arguments)]
        return subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="session")
def chart(components: ComponentUse) -> Chart:
    """Ours, with a Helm that renders it."""
    return Chart(components.path("helm"))
