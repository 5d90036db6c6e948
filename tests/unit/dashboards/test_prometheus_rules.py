"""Every alert says what it is about and what to do, fires in a test and is quiet in another; no rule asks for a
metric or a label that there is not.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from gateway.cli import app
from gateway.telemetry.metrics import ALL
from tests.support.promql import grouped, selected

PROMETHEUS = Path(__file__).parents[3] / "dashboards" / "prometheus"
RUNBOOK = (PROMETHEUS / "runbook.md").read_text(encoding="utf-8")
PARTS = ("What it means: ", "Look at", "Do: ", "Ignore it when: ")
ADDED = {"job", "instance"}
"""Labels that Prometheus adds to every series that it scrapes."""
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


def loaded(path: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in loaded(PROMETHEUS / name)["groups"] for rule in group["rules"]]


def sections() -> dict[str, str]:
    """The runbook's sections by their headings."""
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def cases() -> dict[str, set[bool]]:
    """Alert -> whether some promtool case has it fire (True), and whether one has it quiet (False)."""
    found: dict[str, set[bool]] = {}
    for path in (PROMETHEUS / "tests").glob("*.test.yml"):
        for test in loaded(path)["tests"]:
            for case in test.get("alert_rule_test", []):
                found.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    return found


def known() -> dict[str, set[str]]:
    """Every series that an expression may ask for, with its labels."""
    found = {"up": set[str]()}
    for metric in ALL:
        if metric.kind == "histogram":
            found |= {f"{metric.name}{part}": {*metric.labels, "le"} for part in HISTOGRAM_PARTS}
        else:
            found[metric.name] = set(metric.labels)
    for rule in RECORDS:
        found[rule["record"]] = grouped(rule["expr"]) - ADDED - {"le"}
    return found


def expressions(rule: dict[str, Any]) -> list[str]:
    """The rule's own, and those that its annotations ask for."""
    texts = " ".join(rule.get("annotations", {}).values())
    asked = re.findall(r'(?:query \(printf|:=) "((?:[^"\\]|\\.)*)"', texts)
    return [rule["expr"], *(re.sub(r"%(\[1\])?[sq],?", "", each.replace("=%q", "=''")) for each in asked)]


ALERTS = rules("alerts.rules.yml")
RECORDS = rules("recording.rules.yml")
KNOWN = known()
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
each_rule = pytest.mark.parametrize("rule", ALERTS + RECORDS, ids=lambda rule: rule.get("alert") or rule["record"])


@each_alert
def test_an_alert_says_what_it_is_about(alert: dict[str, Any]) -> None:
    assert re.fullmatch(r"Tipstaff([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(alert["annotations"].values())
    assert alert["annotations"]["runbook_url"] == f"http://localhost:9191/runbook/{alert['alert']}"


@each_alert
def test_the_runbook_says_what_to_do_about_it(alert: dict[str, Any]) -> None:
    paragraphs = sections()[alert["alert"]].split("\n\n")
    opened = [part for paragraph in paragraphs for part in PARTS if paragraph.strip().startswith(part)]
    assert opened == list(PARTS)


@each_alert
def test_promtool_has_it_fire_and_has_it_quiet(alert: dict[str, Any]) -> None:
    assert cases().get(alert["alert"]) == {True, False}


def test_names_are_there_once() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))
    assert sorted(sections()) == sorted(names) == sorted(cases())


@each_rule
def test_a_rule_asks_for_series_that_there_are(rule: dict[str, Any]) -> None:
    labels_there = set(ADDED)
    for expression in expressions(rule):
        found = list(selected(expression))
        assert found
        for metric, labels in found:
            assert metric in KNOWN, expression
            assert set(labels) <= KNOWN[metric] | ADDED, (metric, expression)
            labels_there |= KNOWN[metric]
    for expression in expressions(rule):
        assert grouped(expression) <= labels_there, expression


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule["record"])
def test_a_recorded_series_is_tested_and_has_a_name_of_its_level(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"tipstaff:[a-z_]+:[a-z0-9_]+", rule["record"])
    asked = {
        case["expr"]
        for test in loaded(PROMETHEUS / "tests" / "recording.test.yml")["tests"]
        for case in test["promql_expr_test"]
    }
    assert rule["record"] in asked


def test_the_runbook_names_metrics_that_there_are() -> None:
    named = set(re.findall(r"\btipstaff[_:][a-z0-9_:]+", RUNBOOK))
    assert named
    assert named <= KNOWN.keys()


def test_the_runbook_says_commands_that_there_are() -> None:
    said = re.findall(r"(?:`|^ {4})tipstaff ([a-z-]+)(?: ([a-z-]+))?", RUNBOOK, flags=re.MULTILINE)
    assert said
    commands = typer.main.get_command(app)
    groups = {name: set(getattr(each, "commands", ())) for name, each in getattr(commands, "commands", {}).items()}
    for word, second in said:
        assert word in groups, word
        assert not groups[word] or second in groups[word], (word, second)
