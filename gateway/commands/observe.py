"""`tipstaff observe`: what a Prometheus and a Grafana need to watch a configured gateway. Text in, text out."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from gateway.settings import Settings

RUNBOOK = "http://localhost:9191/runbook/"
"""What the shipped rules say: replaced by where the runbook is served."""
BUILT_IN = "http://127.0.0.1:9191"
"""What the shipped dashboards link to, likewise."""
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")
_URL = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w./~-]*)?")
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
_NOTE = "# Written by `tipstaff observe`: change the configuration and write it again, rather than this file.\n"
_SCRAPE_SECONDS = 15


class Around(msgspec.Struct, frozen=True):
    """What the configuration does not know. `targets`: admin ports, host:port; empty: this gateway's alone.

    `folder`: where the files will be, as Prometheus and Grafana see it. `token_file`: likewise. `grafana`: where
    people reach Grafana, for links in alerts; empty: none. `alertmanagers`: host:port. `traces`: the uid that
    Grafana's data source of traces has; empty: none.
    """

    folder: Path
    prometheus: str
    targets: tuple[str, ...] = ()
    token_file: Path | None = None
    grafana: str = ""
    alertmanagers: tuple[str, ...] = ()
    traces: str = ""

    def problems(self) -> list[str]:
        """What of it is no address, a line each."""
        hosts = {"--target": self.targets, "--alertmanager": self.alertmanagers}
        urls = {"--prometheus": (self.prometheus,), "--grafana": (self.grafana,) if self.grafana else ()}
        return [
            *(
                f"{option} {each}: expected host:port, like 10.0.0.5:9191"
                for option, given in hosts.items()
                for each in given
                if not _is_host(each)
            ),
            *(
                f"{option} {each}: expected a URL like http://10.0.0.5:3000"
                for option, given in urls.items()
                for each in given
                if not _URL.fullmatch(each)
            ),
        ]


def _is_host(value: str) -> bool:
    match = _HOST.fullmatch(value)
    return match is not None and 0 < int(match[1]) < 1 << 16


def files_for(settings: Settings, around: Around) -> dict[str, str]:
    """Every file, by its path in the folder."""
    public = settings.public_url or f"http://{_reachable(settings.admin)}"
    shipped = files("dashboards")
    return {
        "prometheus/prometheus.yml": _prometheus(settings, around),
        "prometheus/tipstaff.scrape.yml": _NOTE + _yaml({"scrape_configs": _jobs(settings, around)}),
        **dict(_rules(shipped / "prometheus", f"{public}/runbook/", around.grafana)),
        "prometheus/alertmanager.example.yml": (shipped / "prometheus" / "alertmanager.example.yml").read_text(),
        "grafana/provisioning/datasources/tipstaff.yml": _NOTE + _yaml(_datasource(around)),
        "grafana/provisioning/dashboards/tipstaff.yml": _NOTE + _yaml(_provider(around)),
        **dict(_dashboards(shipped / "grafana", public)),
    }


def _prometheus(settings: Settings, around: Around) -> str:
    whole: dict[str, Any] = {
        "global": {"scrape_interval": f"{_SCRAPE_SECONDS}s", "evaluation_interval": f"{_SCRAPE_SECONDS}s"},
        "rule_files": ["*.rules.yml"],
        "scrape_configs": _jobs(settings, around),
    }
    if around.alertmanagers:
        whole["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": list(around.alertmanagers)}]}]}
    return _NOTE + _yaml(whole)


def _jobs(settings: Settings, around: Around) -> list[dict[str, Any]]:
    """Scraping tipstaff, and each arm's endpoints for vLLM's own metrics, under the names of model and arm."""
    ours: dict[str, Any] = {"job_name": "tipstaff"}
    if around.token_file is not None:
        ours["authorization"] = {"credentials_file": str(around.token_file.absolute())}
    ours["static_configs"] = [{"targets": list(around.targets) or [_reachable(settings.admin)]}]
    return [ours, *_endpoints(settings)]


class _Reached(msgspec.Struct, frozen=True):
    """How an endpoint is: those that are reached alike are one job."""

    scheme: str
    ca: Path | None = None
    verify: bool = True


def _endpoints(settings: Settings) -> Iterator[dict[str, Any]]:
    """Jobs `vllm`, `vllm-2`, ..."""
    found: dict[_Reached, list[dict[str, Any]]] = {}
    for model, configured in settings.models.items():
        for arm, said in configured.arms.items():
            for url in said.endpoints:
                scheme, host = (parts := urlsplit(url)).scheme, parts.netloc
                reached = _Reached(scheme, said.ca, said.tls_verify) if scheme == "https" else _Reached(scheme)
                found.setdefault(reached, []).append({"targets": [host], "labels": {"model": model, "arm": arm}})
    for number, (reached, targets) in enumerate(found.items(), 1):
        job = {"job_name": "vllm" if number == 1 else f"vllm-{number}", "scheme": reached.scheme}
        yield {**job, **_tls(reached), "static_configs": targets}


def _tls(reached: _Reached) -> dict[str, Any]:
    options: dict[str, Any] = {} if reached.ca is None else {"ca_file": str(reached.ca.absolute())}
    if not reached.verify:
        options["insecure_skip_verify"] = True
    return {"tls_config": options} if options else {}


def _reachable(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{_ANYWHERE.get(host, host)}:{port}"


def _rules(folder: Traversable, runbook: str, grafana: str) -> Iterator[tuple[str, str]]:
    for name in ("recording.rules.yml", "alerts.rules.yml"):
        text = (folder / name).read_text()
        lines = (_linked(line, runbook, grafana) for line in text.splitlines(keepends=True))
        yield f"prometheus/tipstaff.{name}", "".join(lines)


def _linked(line: str, runbook: str, grafana: str) -> str:
    """A rule's line, with the link to a dashboard after that to the runbook."""
    key, colon, _ = line.partition(":")
    if not colon or key.strip() != "runbook_url":
        return line
    line = line.replace(RUNBOOK, runbook)
    indent = key[: -len("runbook_url")]
    chosen = "{{ with $labels.model }}?var-model={{ . | urlquery }}{{ end }}"
    board = f"{grafana.rstrip('/')}/d/tipstaff-rollout{chosen}"
    return f"{line}{indent}dashboard_url: '{board}'\n" if grafana else line


def _datasource(around: Around) -> dict[str, Any]:
    options: dict[str, Any] = {"timeInterval": f"{_SCRAPE_SECONDS}s", "httpMethod": "POST"}
    if around.traces:
        options["exemplarTraceIdDestinations"] = [{"name": "trace_id", "datasourceUid": around.traces}]
    source = {
        "name": "Prometheus of tipstaff",
        "uid": "tipstaff-prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": around.prometheus,
        "jsonData": options,
    }
    return {"apiVersion": 1, "datasources": [source]}


def _provider(around: Around) -> dict[str, Any]:
    where = str(around.folder / "grafana" / "dashboards")
    provider = {"name": "tipstaff", "folder": "tipstaff", "type": "file", "options": {"path": where}}
    return {"apiVersion": 1, "providers": [provider]}


def _dashboards(folder: Traversable, public: str) -> Iterator[tuple[str, str]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.name.endswith(".json"):
            yield f"grafana/dashboards/{each.name}", each.read_text().replace(BUILT_IN, public)


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
