"""The committed dashboards, as Grafana would ask Prometheus for them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

import dashboards.grafana

_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
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


def committed() -> dict[str, dict[str, Any]]:
    """The dashboards as they are written down, by uid."""
    read = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {board["uid"]: board for board in read}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Of one dashboard, without the rows between them."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def shown() -> list[Shown]:
    """Every panel of every dashboard."""
    return [_shown(uid, panel) for uid, board in committed().items() for panel in panels(board)]


def choices() -> set[tuple[str, str]]:
    """What fills the variables: (expression, label) of every `label_values` on any dashboard."""
    asked = [str(each.get("query")) for board in committed().values() for each in board["templating"]["list"]]
    found = (_LABEL_VALUES.fullmatch(query) for query in asked)
    return {(each[1], each[2]) for each in found if each is not None}


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
