"""The configuration that the chart renders is one that tipstaff starts with: the real `tipstaff check` reads it."""

import json
from pathlib import Path

import pytest
import yaml

from gateway.app.common import FLUSH_SECONDS, RELAY_SECONDS, SCORING_SECONDS
from gateway.layout import FORMAT
from tests.support.chart import Chart, Object, Rendered, example, merged
from tests.support.pod import Pod
from tests.support.secrets import SECRETS

PODS = [
    ("standalone", "standalone-tipstaff", 0),
    ("sidecar", "sidecar-tipstaff", 1),
    ("production-stack", "production-stack-tipstaff", 1),
    ("split", "split-tipstaff-proxy", 1),
    ("split", "split-tipstaff-control", 0),
    ("split", "split-tipstaff-scorer", 0),
]


@pytest.mark.parametrize(("name", "workload", "number"), PODS)
def test_it_is_taken(examples: dict[str, Rendered], tmp_path: Path, name: str, workload: str, number: int) -> None:
    pod = Pod(examples[name], workload, tmp_path, number=number, secrets=SECRETS)
    checked = pod.command("check", str(pod.config), "--json")
    assert checked.returncode == 0, checked.stderr
    report = json.loads(checked.stdout)
    assert list(report["models"]) == ["assistant"]
    assert report["principles"] > 5
    if not report["follows"]:
        assert list(report["models"]["assistant"]) == ["stable", "canary"]  # a map in values would turn them round
        assert report["models"]["assistant"]["stable"] == 1.0


def test_a_wrong_one_is_refused_in_tipstaff_s_own_words(chart: Chart, tmp_path: Path) -> None:
    values = merged(example("standalone"), {"config": {"limits": {"connections": "many"}}})
    pod = Pod(chart.render(values), "test-tipstaff", tmp_path)
    checked = pod.command("check", str(pod.config))
    assert checked.returncode == 2
    assert "limits.connections" in checked.stderr


def config_of(rendered: Rendered, workload: str, number: int = 0) -> Object:
    found: Object = yaml.safe_load(rendered.files(workload)[f"{workload}-{number}.yaml"])
    return found


def test_numbers_are_whole_however_large(chart: Chart) -> None:
    """Helm's own YAML makes 1000000 into 1e+06, which is a text to whoever reads it."""
    values = merged(example("standalone"), {"config": {"retention": {"sample": 1_000_000, "days": 0.5}}})
    retention = config_of(chart.render(values), "test-tipstaff")["retention"]
    assert (retention["sample"], retention["days"]) == (1_000_000, 0.5)


def test_keys_and_texts_are_kept_as_they_are(chart: Chart) -> None:
    """`on` alone would be a truth value in YAML, and `:` or `#` the end of a text."""
    notify = [{"url_file": "/run/pager", "on": ["roll_back"], "form": "slack"}]
    values = {"config": {"notify": notify, "public_url": "https://a.example.org/: #&<>é"}}
    rendered = config_of(chart.render(merged(example("standalone"), values)), "test-tipstaff")
    assert rendered["notify"] == notify
    assert rendered["public_url"] == "https://a.example.org/: #&<>é"


def test_whoever_leads_gathers_all_the_others(examples: dict[str, Rendered]) -> None:
    control = config_of(examples["split"], "split-tipstaff-control", 1)["events"]
    assert control["source"] == "split-tipstaff-control-1"
    assert control["gather"] == ["split-tipstaff-proxy-0", "split-tipstaff-proxy-1", "split-tipstaff-control-0"]
    pair = config_of(examples["production-stack"], "production-stack-tipstaff")["events"]
    assert pair["gather"] == ["production-stack-tipstaff-1"]


def test_one_that_lost_its_claim_gets_another_name(chart: Chart) -> None:
    """A name is one log: see docs/scale.md."""
    lost = {"test-tipstaff-proxy-1": "test-tipstaff-proxy-1.b"}
    rendered = chart.render(merged(example("split"), {"sources": lost}))
    assert config_of(rendered, "test-tipstaff-proxy", 1)["events"]["source"] == "test-tipstaff-proxy-1.b"
    assert config_of(rendered, "test-tipstaff-proxy", 0)["events"]["source"] == "test-tipstaff-proxy-0"
    gathered = config_of(rendered, "test-tipstaff-control", 0)["events"]["gather"]
    assert gathered == ["test-tipstaff-proxy-0", "test-tipstaff-proxy-1.b", "test-tipstaff-control-1"]


def test_those_who_follow_decide_nothing(examples: dict[str, Rendered], chart: Chart) -> None:
    models = {
        "assistant": {
            "rollout": {"to": "canary"},
            "arms": example("split")["config"]["models"]["assistant"]["arms"],
        }
    }
    rendered = chart.render(merged(example("split"), {"config": {"models": models}}))
    assert config_of(rendered, "test-tipstaff-control")["models"]["assistant"]["rollout"] == {"to": "canary"}
    proxy = config_of(rendered, "test-tipstaff-proxy")
    assert "rollout" not in proxy["models"]["assistant"]
    assert proxy["control"]["url"] == "http://test-tipstaff-admin:9191"
    assert "state" not in proxy
    scorer = yaml.safe_load(examples["split"].files("split-tipstaff-scorer")["scorer.yaml"])
    assert scorer["events"] == {"content": "omit", "kafka": {"bootstrap": "kafka:9092", "replication": 3}}


def test_a_pod_lives_as_long_as_its_processes_need_to_end(examples: dict[str, Rendered], chart: Chart) -> None:
    """Tied to the supervisor's own deadlines: proxies, then scorer, controller and relay."""
    ends = FLUSH_SECONDS + 5 + SCORING_SECONDS + 15
    alone = examples["standalone"].one("StatefulSet")["spec"]["template"]["spec"]
    assert alone["terminationGracePeriodSeconds"] == 10 + 1800 + ends
    assert alone["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}
    assert config_of(examples["standalone"], "standalone-tipstaff")["deadlines"]["drain"] == 1800
    relaying = chart.render(merged(example("production-stack"), {"drainSeconds": 60, "preStopSeconds": 20}))
    grace = relaying.one("StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace == 20 + 60 + ends + RELAY_SECONDS


def test_the_data_folder_can_be_migrated(examples: dict[str, Rendered]) -> None:
    """It lies below the claim's mount point: see docs/operate.md, Upgrade."""
    assert FORMAT > 1
    container = examples["standalone"].one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert config_of(examples["standalone"], "standalone-tipstaff")["data"] not in mounts
    assert "/var/lib/tipstaff" in mounts


def test_what_is_taken_out_of_an_example_by_null_is_gone(chart: Chart) -> None:
    """As a restore drill takes Kafka and PostgreSQL out of its values: docs/kubernetes-day-2.md."""
    none = {"replicas": 1, "config": {"events": None, "state": None, "deadlines": None}}
    drill = config_of(chart.render(merged(example("production-stack"), none)), "test-tipstaff")
    assert drill["events"] == {"source": "test-tipstaff-0"}
    assert not drill["state"]
