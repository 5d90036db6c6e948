"""The committed dashboards, as Grafana would ask Prometheus for them."""

import json
from pathlib import Path
from typing import Any

import msgspec

import dashboards.grafana

FOLDER = Path(dashboards.grafana.__file__).parent


class Shown(msgspec.Struct, frozen=True):
    """A panel of the dashboard `uid`. `queries`: (expression, legend); `overrides`: (regular expression, colour,
    whether it is dashed).
    """

    uid: str
    title: str
    queries: tuple[tuple[str, str], ...]
    overrides: tuple[tuple[str, str, bool], ...]

    @property
    def name(self) -> tuple[str, str]:
        """Unique among all dashboards."""
        return self.uid, self.title


def shown() -> list[Shown]:
    """Every panel of every dashboard."""
    boards = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return [_shown(board["uid"], panel) for board in boards for panel in board["panels"] if panel["type"] != "row"]


def substituted(expression: str, seconds: float) -> str:
    """With everything chosen, and windows of that length. In ascending order of names that begin alike."""
    for name in ("$model", "$arm", "$principle"):
        expression = expression.replace(f'"{name}"', '".*"')
    for name in ("$__rate_interval", "$__range"):
        expression = expression.replace(f"[{name}]", f"[{round(seconds * 1000)}ms]")
    return expression


def _shown(uid: str, panel: dict[str, Any]) -> Shown:
    queries = tuple((target["expr"], target["legendFormat"]) for target in panel["targets"])
    overrides = tuple(_override(each) for each in panel["fieldConfig"]["overrides"])
    return Shown(uid, panel["title"], queries, overrides)


def _override(given: dict[str, Any]) -> tuple[str, str, bool]:
    properties = {each["id"]: each["value"] for each in given["properties"]}
    colour = properties.get("color", {}).get("fixedColor", "")
    return given["matcher"]["options"].strip("/"), colour, "custom.lineStyle" in properties
