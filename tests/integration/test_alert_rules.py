"""Prometheus's own tool says that the rules can be used and do what their cases say; Alertmanager's says it of the
example.
"""

import subprocess
from pathlib import Path

import pytest

from tests.support.components import ComponentUse, requires

PROMETHEUS = Path(__file__).parents[2] / "dashboards" / "prometheus"
RULES = sorted(PROMETHEUS.glob("*.rules.yml"))
CASES = sorted((PROMETHEUS / "tests").glob("*.test.yml"))


def ended(*command: str | Path) -> str:
    """What the command had to say; fails the test when it did not end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@requires("prometheus")
def test_prometheus_takes_the_rules(components: ComponentUse) -> None:
    promtool = components.path("prometheus").with_name("promtool")
    assert ended(promtool, "check", "rules", *RULES).count("SUCCESS") == len(RULES) == 2


@requires("prometheus")
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.name)
def test_each_rule_says_what_its_cases_say(components: ComponentUse, cases: Path) -> None:
    promtool = components.path("prometheus").with_name("promtool")
    assert "SUCCESS" in ended(promtool, "test", "rules", cases)


@requires("alertmanager")
def test_alertmanager_takes_the_example(components: ComponentUse) -> None:
    amtool = components.path("alertmanager").with_name("amtool")
    assert "SUCCESS" in ended(amtool, "check-config", PROMETHEUS / "alertmanager.example.yml")


@requires("alertmanager")
@pytest.mark.parametrize(("severity", "receiver"), [("page", "pager"), ("ticket", "chat")])
def test_pages_go_to_the_pager_and_tickets_to_the_chat(
    components: ComponentUse, severity: str, receiver: str
) -> None:
    amtool = components.path("alertmanager").with_name("amtool")
    example = f"--config.file={PROMETHEUS / 'alertmanager.example.yml'}"
    routed = ended(amtool, "config", "routes", "test", example, f"severity={severity}", "alertname=TipstaffAny")
    assert routed.split() == [receiver]
