"""Our example in a real Alertmanager: every alert reaches who it is for; a cause silences what follows from it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alertmanager import alertmanager
from tests.support.components import ComponentUse, requires
from tests.support.wait import until

CASES = Path(__file__).parents[2] / "dashboards" / "prometheus" / "tests"
GATEWAY = {"job": "tipstaff", "instance": "gw-1:9191"}
ROLLOUT = {"job": "tipstaff", "model": "assistant", "arm": "canary"}
DISK = {**GATEWAY, "reason": "disk_full"}


def fired() -> list[dict[str, Any]]:
    """Every alert once, as promtool has it fire. Each of another installation, so that none silences another."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(CASES.glob("*.test.yml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", []):
                for told in case["exp_alerts"][:1]:
                    name = case["alertname"]
                    labels = {**told["exp_labels"], "alertname": name, "job": f"tipstaff-{name}"}
                    found[name] = {"labels": labels, "annotations": told["exp_annotations"]}
    return list(found.values())


@requires("alertmanager")
def test_every_alert_reaches_who_it_is_for(components: ComponentUse, tmp_path: Path) -> None:
    alerts = fired()
    assert len(alerts) >= 30
    with alertmanager(components.path("alertmanager"), tmp_path) as server:
        server.tell(alerts)
        for receiver, severity in (("pager", "page"), ("chat", "ticket")):
            meant = {each["labels"]["alertname"]: each for each in alerts if each["labels"]["severity"] == severity}
            until(lambda: len(server.received.alerts(receiver)) >= len(meant), 20, receiver)  # noqa: B023 - waited for here
            told = {each["labels"]["alertname"]: each for each in server.received.alerts(receiver)}
            assert told.keys() == meant.keys()
            assert all(told[name]["annotations"] == meant[name]["annotations"] for name in meant)


@requires("alertmanager")
@pytest.mark.parametrize(
    ("cause", "follows", "labels"),
    [
        ("TipstaffTargetDown", "TipstaffScorerLag", GATEWAY),
        ("TipstaffTargetAbsent", "TipstaffNobodyLeads", {"job": "tipstaff"}),
        ("TipstaffRolledBack", "TipstaffCanaryWorse", ROLLOUT),
        ("TipstaffRolledBack", "TipstaffFastAlarm", ROLLOUT),
        ("TipstaffRolledBack", "TipstaffHarmBudgetUsedUp", ROLLOUT),
        ("TipstaffScorerDead", "TipstaffNoVerdicts", GATEWAY),
        ("TipstaffNoVerdicts", "TipstaffScorerLag", GATEWAY),
        ("TipstaffLogNotWritable", "TipstaffEventsDropped", DISK),
    ],
)
def test_a_cause_silences_what_follows_from_it(
    components: ComponentUse, tmp_path: Path, cause: str, follows: str, labels: dict[str, str]
) -> None:
    cause_here, follows_here = (cause, labels["job"]), (follows, labels["job"])
    follows_elsewhere = (follows, "another")
    with alertmanager(components.path("alertmanager"), tmp_path) as server:
        server.tell(
            [
                {"labels": {**labels, "alertname": name, "job": job, "severity": "page"}}
                for name, job in (cause_here, follows_here, follows_elsewhere)
            ]
        )
        until(lambda: "unprocessed" not in server.states().values(), 20, "all are looked at")
        assert server.states() == {cause_here: "active", follows_here: "suppressed", follows_elsewhere: "active"}
        until(lambda: len(server.received.alerts("pager")) == 2, 20, "two are told")
        told = {(each["labels"]["alertname"], each["labels"]["job"]) for each in server.received.alerts("pager")}
        assert told == {cause_here, follows_elsewhere}
