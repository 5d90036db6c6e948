"""Every component there is, in the order of installation; a new one is one entry here."""

from pathlib import Path

from tests.components.component import Component
from tests.components.debian import DebianPackages
from tests.components.environment import Environment
from tests.components.gotool import GoTool
from tests.components.kafka import Kafka
from tests.components.kube import Kube
from tests.components.npm import NpmPackage
from tests.components.postgres import PostgreSQL
from tests.components.vllm import TinyModel, Vllm

_ROOT = Path(__file__).parents[2]

COMPONENTS: tuple[Component, ...] = (
    DebianPackages("nginx", ("nginx",), ("nginx",), services=("nginx",)),
    DebianPackages("wrk", ("wrk",), ("wrk",)),
    DebianPackages(
        "prometheus",
        ("prometheus",),
        ("prometheus", "promtool"),
        services=("prometheus",),
    ),
    DebianPackages(
        "alertmanager",
        ("prometheus-alertmanager",),
        ("prometheus-alertmanager", "amtool"),
        services=("prometheus-alertmanager",),
    ),
    Kafka(),
    DebianPackages("kcat", ("kcat",), ("kcat",)),
    PostgreSQL(),
    Vllm(),
    TinyModel(),
    Environment("trainer", _ROOT / "classifiers" / "training" / "requirements.txt"),
    Environment("schemathesis", Path(__file__).with_name("schemathesis.txt")),
    DebianPackages("chromium", ("chromium", "fonts-dejavu-core"), ("chromium",)),
    NpmPackage(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "axe.min.js",
    ),
    GoTool("helm", "helm.sh/helm/v4/cmd/helm", "4.3.2"),
    GoTool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "0.8.0"),
    Environment("kubernetes-schemas", Path(__file__).with_name("kubernetes-schemas.txt")),
    Environment("hadolint", Path(__file__).with_name("hadolint.txt")),
    Kube(),
)


def component(name: str) -> Component:
    """The component called `name`; KeyError, naming all, when there is none."""
    for each in COMPONENTS:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in COMPONENTS)
    raise KeyError(f"no component {name!r}: expected one of {names}")
