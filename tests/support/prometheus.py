"""A real Prometheus that scrapes what a test points it at."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.ports import free_port
from tests.support.wait import until

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Alerting:
    """Rules to evaluate, every second, and the Alertmanager, a host and port, that hears of the alerts."""

    rules: tuple[Path, ...]
    alertmanager: str


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every series that the PromQL expression gives now, or at a moment (Unix time)."""
        asked = {"query": expression, **({} if at is None else {"time": f"{at:.3f}"})}
        answer = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=5)
        answer.raise_for_status()
        return [(each["metric"], float(each["value"][1])) for each in answer.json()["data"]["result"]]

    def over(self, expression: str, start: float, end: float) -> list[tuple[dict[str, str], Points]]:
        """The same over time, a point a second: (Unix time, value)."""
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": "1"}
        answer = httpx.get(f"{self.url}/api/v1/query_range", params=asked, timeout=5)
        answer.raise_for_status()
        return [
            (each["metric"], [(float(moment), float(value)) for moment, value in each["values"]])
            for each in answer.json()["data"]["result"]
        ]

    def last_scrape(self) -> float:
        """When the newest samples were taken, Unix time; 0 before there are any."""
        return max((value for _, value in self.query("timestamp(up)")), default=0.0)

    def has_scraped(self) -> bool:
        """True once the target was scraped without an error."""
        return [value for _, value in self.query("up")] == [1.0]

    def rules(self) -> dict[str, str]:
        """Every rule's health: `ok`, `err`, or `unknown` before its first evaluation."""
        answer = httpx.get(f"{self.url}/api/v1/rules", timeout=5).raise_for_status().json()
        return {rule["name"]: rule["health"] for group in answer["data"]["groups"] for rule in group["rules"]}


@contextmanager
def prometheus(program: Path, target: str, folder: Path, alerting: Alerting | None = None) -> Iterator[Prometheus]:
    """Runs `program` (`components.path("prometheus")`) against `target`, a host and port with /metrics.

    Yields after its first good scrape.
    """
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(target, alerting)))
    port = free_port()
    command = [
        str(program),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (folder / "prometheus.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            server = Prometheus(f"http://127.0.0.1:{port}")
            until(lambda: _ready(server), 20, f"Prometheus scrapes {target}", every=0.2)
            yield server
        finally:
            process.terminate()


def _configuration(target: str, alerting: Alerting | None) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "tipstaff", "static_configs": [{"targets": [target]}]}],
    }
    if alerting is not None:
        told = {"static_configs": [{"targets": [alerting.alertmanager]}]}
        configuration["rule_files"] = [str(path) for path in alerting.rules]
        configuration["alerting"] = {"alertmanagers": [told]}
    return configuration


def _ready(server: Prometheus) -> bool:
    try:
        return server.has_scraped()
    except (httpx.TransportError, httpx.HTTPStatusError):
        return False  # not listening yet, or still starting
