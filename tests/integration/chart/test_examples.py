"""Every example is taken by whoever reads it next: helm, Kubernetes' schemas, Prometheus, a reviewer."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, EXAMPLES, KUBERNETES, Chart, Rendered, example, merged
from tests.support.components import ComponentUse, requires
from tests.support.kubeschemas import strict_schemas
from tests.support.valuestable import readme

RULES = CHART.parents[1] / "dashboards" / "prometheus"
GOLDEN = Path(__file__).parents[2] / "fixtures" / "chart"
REWRITE = "TIPSTAFF_WRITE_GOLDEN"
WITHOUT_SCHEMA = "ServiceMonitor,PrometheusRule,HTTPRoute"
"""Custom resources: tests/e2e/test_chart_install.py has the first two looked at by a real API server."""


@pytest.fixture(scope="session")
def schemas(components: ComponentUse, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Strict schemas of one version of Kubernetes, as kubeconform finds them."""
    return strict_schemas(components.path("kubernetes-schemas"), KUBERNETES, tmp_path_factory.mktemp("schemas"))


def _kubeconform(components: ComponentUse, schemas: str, text: str) -> subprocess.CompletedProcess[str]:
    command = [str(components.path("kubeconform")), "-strict", "-summary", "-schema-location", schemas]
    return subprocess.run(
        [*command, "-kubernetes-version", KUBERNETES, "-skip", WITHOUT_SCHEMA],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_helm_has_nothing_to_say(chart: Chart, name: str) -> None:
    assert "WARNING" not in chart.lint(example(name))


@requires("kubeconform", "kubernetes-schemas")
def test_it_is_what_kubernetes_knows(components: ComponentUse, schemas: str, rendered: Rendered) -> None:
    checked = _kubeconform(components, schemas, rendered.text)
    assert checked.returncode == 0, checked.stdout
    assert "Invalid: 0, Errors: 0" in checked.stdout


@requires("kubeconform", "kubernetes-schemas")
def test_a_key_that_kubernetes_does_not_know_is_found(
    components: ComponentUse, schemas: str, examples: dict[str, Rendered]
) -> None:
    text = examples["standalone"].text.replace("minReadySeconds:", "minimumReadySeconds:")
    assert (
        "additional properties 'minimumReadySeconds' not allowed" in _kubeconform(components, schemas, text).stdout
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_change_of_the_chart_is_seen_in_review(examples: dict[str, Rendered], name: str) -> None:
    """With TIPSTAFF_WRITE_GOLDEN=1 they are written anew. Rules and dashboards are left out: they have tests."""
    kept = [each for each in examples[name].objects if not _is_copied(each)]
    shown = yaml.safe_dump_all(kept, sort_keys=True, width=110)
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get(REWRITE):
        golden.write_text(shown)
    assert shown == golden.read_text()


def test_the_readme_has_every_value() -> None:
    """Written anew in the same way."""
    page = CHART / "README.md"
    if os.environ.get(REWRITE):
        page.write_text(readme())
    assert readme() == page.read_text()


def _is_copied(each: dict[str, Any]) -> bool:
    return each["kind"] == "PrometheusRule" or str(each["metadata"]["name"]).endswith("-dashboards")


@requires("prometheus")
def test_prometheus_takes_the_rules(
    components: ComponentUse, examples: dict[str, Rendered], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yml"
    spec = examples["production-stack"].one("PrometheusRule")["spec"]
    rules.write_text(yaml.safe_dump(spec))
    promtool = components.path("prometheus").with_name("promtool")
    checked = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    alerts = [rule for group in spec["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) > 25
    assert all(
        each["annotations"]["runbook_url"].startswith("https://tipstaff.example.org/runbook/") for each in alerts
    )


def test_the_rules_are_those_that_promtool_tries(chart: Chart) -> None:
    """Helm reads them and writes them anew: nothing of them may change."""
    watched = merged(example("standalone"), {"prometheusRule": {"enabled": True}})
    files = [RULES / f"{name}.rules.yml" for name in ("recording", "alerts")]
    groups = [group for each in files for group in yaml.safe_load(each.read_text())["groups"]]
    assert chart.render(watched).one("PrometheusRule")["spec"]["groups"] == groups


def test_a_package_holds_what_its_links_lead_to(chart: Chart, tmp_path: Path) -> None:
    """Rules and dashboards are links into another folder of the repository."""
    subprocess.run([chart.helm, "package", CHART, "--destination", tmp_path], capture_output=True, check=True)
    (package,) = tmp_path.glob("tipstaff-*.tgz")
    packed = Chart(chart.helm, package)
    assert packed.text(example("production-stack")) == chart.text(example("production-stack"))
