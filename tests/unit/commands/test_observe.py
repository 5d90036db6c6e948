"""The files for Prometheus and Grafana say what the configuration says."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands.observe import Around, files_for
from gateway.configfile import parse

CONFIG = """
admin: 0.0.0.0:9191
admin_token_file: /run/token
public_url: https://tipstaff.example.org
models:
  assistant:
    arms:
      stable: {endpoints: ["http://vllm-a:8000"]}
      canary: {endpoints: ["http://vllm-b:8000", "https://vllm-c"], ca: /etc/ca.pem, tls_verify: false}
  small:
    arms: {stable: {endpoints: ["HTTP://vllm-d:8000"]}}
"""


def made(folder: Path, **around: object) -> dict[str, str]:
    settings = parse(yaml.safe_load(CONFIG), folder, {})
    given = {"folder": folder, "prometheus": "http://prometheus:9090", **around}
    return files_for(settings, msgspec.convert(given, Around))


def test_everything_is_scraped_under_its_name(tmp_path: Path) -> None:
    found = made(tmp_path, token_file=Path("/etc/token"))
    whole = yaml.safe_load(found["prometheus/prometheus.yml"])
    ours, vllm, tls = whole["scrape_configs"]
    assert ours["static_configs"] == [{"targets": ["127.0.0.1:9191"]}]
    assert ours["authorization"] == {"credentials_file": "/etc/token"}
    assert [(each["labels"], each["targets"]) for each in vllm["static_configs"]] == [
        ({"model": "assistant", "arm": "stable"}, ["vllm-a:8000"]),
        ({"model": "assistant", "arm": "canary"}, ["vllm-b:8000"]),
        ({"model": "small", "arm": "stable"}, ["vllm-d:8000"]),
    ]
    assert (tls["job_name"], tls["scheme"], tls["static_configs"][0]["targets"]) == ("vllm-2", "https", ["vllm-c"])
    assert tls["tls_config"] == {"ca_file": "/etc/ca.pem", "insecure_skip_verify": True}
    assert yaml.safe_load(found["prometheus/tipstaff.scrape.yml"])["scrape_configs"] == whole["scrape_configs"]
    assert whole["rule_files"] == ["*.rules.yml"]


def test_an_admins_token_is_not_handed_out(tmp_path: Path) -> None:
    whole = yaml.safe_load(made(tmp_path)["prometheus/prometheus.yml"])
    assert "authorization" not in whole["scrape_configs"][0]


def test_a_fleet_and_its_alertmanager(tmp_path: Path) -> None:
    found = made(tmp_path, targets=("a:9191", "b:9191"), alertmanagers=("am:9093",))
    whole = yaml.safe_load(found["prometheus/prometheus.yml"])
    assert whole["scrape_configs"][0]["static_configs"] == [{"targets": ["a:9191", "b:9191"]}]
    assert whole["alerting"] == {"alertmanagers": [{"static_configs": [{"targets": ["am:9093"]}]}]}


def test_links_lead_to_this_gateway_and_this_grafana(tmp_path: Path) -> None:
    found = made(tmp_path, grafana="https://grafana.example.org/")
    groups = yaml.safe_load(found["prometheus/tipstaff.alerts.rules.yml"])["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    for rule in rules:
        said = rule["annotations"]
        assert said["runbook_url"] == f"https://tipstaff.example.org/runbook/{rule['alert']}"
        assert said["dashboard_url"] == (
            "https://grafana.example.org/d/tipstaff-rollout"
            "{{ with $labels.model }}?var-model={{ . | urlquery }}{{ end }}"
        )
    boards = {name: text for name, text in found.items() if name.endswith(".json")}
    assert {json.loads(text)["uid"] for text in boards.values()} == {
        "tipstaff-rollout",
        "tipstaff-violations",
        "tipstaff-gateway",
        "tipstaff-pipeline",
    }
    for text in boards.values():
        assert "https://tipstaff.example.org" in text
        assert "http://127.0.0.1:9191" not in text
    without = yaml.safe_load(made(tmp_path)["prometheus/tipstaff.alerts.rules.yml"])["groups"]
    assert not any("dashboard_url" in rule["annotations"] for group in without for rule in group["rules"])


def test_grafana_finds_its_source_and_its_dashboards(tmp_path: Path) -> None:
    found = made(tmp_path)
    source = yaml.safe_load(found["grafana/provisioning/datasources/tipstaff.yml"])["datasources"][0]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert "exemplarTraceIdDestinations" not in source["jsonData"]
    traced = made(tmp_path, traces="tempo")["grafana/provisioning/datasources/tipstaff.yml"]
    (where,) = yaml.safe_load(traced)["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert where == {"name": "trace_id", "datasourceUid": "tempo"}
    provider = yaml.safe_load(found["grafana/provisioning/dashboards/tipstaff.yml"])["providers"][0]
    assert provider["options"]["path"] == str(tmp_path / "grafana" / "dashboards")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def test_what_nobody_changed_is_written_anew_and_what_somebody_did_stays(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out of the way"
    command = ["observe", str(config), "--output", str(out)]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert f"--config.file='{out}/prometheus'/prometheus.yml" in first.output
    assert "--token-file" in first.output
    written = out / "prometheus" / "prometheus.yml"
    assert CliRunner().invoke(app, [*command, "--target", "gw-2:9191"]).exit_code == 0
    assert "gw-2:9191" in written.read_text()
    written.write_text("mine")
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "prometheus/prometheus.yml: somebody has changed" in refused.output
    assert written.read_text() == "mine"
    assert "gw-2:9191" in (out / "prometheus" / "tipstaff.scrape.yml").read_text(), "none is written"
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0
    assert written.read_text() != "mine"


@pytest.mark.parametrize(
    "option",
    [
        ["--target", "http://x:1/y"],
        ["--target", "a:99999"],
        ["--target", "foo"],
        ["--alertmanager", "http://a:1"],
        ["--prometheus", "foo"],
        ["--grafana", "javascript:alert(1)"],
        ["--grafana", "http://g/'x"],
    ],
)
def test_what_is_no_address_is_refused(config: Path, tmp_path: Path, option: list[str]) -> None:
    refused = CliRunner().invoke(app, ["observe", str(config), "--output", str(tmp_path / "out"), *option])
    assert refused.exit_code == 2
    assert f"{' '.join(option)}: expected" in refused.output
    assert not (tmp_path / "out").exists()


def test_links_need_a_public_url_where_others_look(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("public_url: https://tipstaff.example.org\n", ""))
    done = CliRunner().invoke(app, ["observe", str(path), "--output", str(tmp_path / "out")])
    assert "set public_url" in done.output


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("models: {}")
    refused = CliRunner().invoke(app, ["observe", str(path), "--output", str(tmp_path / "out")])
    assert refused.exit_code == 2
    assert "models" in refused.output
    assert not (tmp_path / "out").exists()
