"""What is committed for Grafana: up to date, whole, and only about metrics and labels that there are."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from dashboards.grafana.boards import files
from dashboards.grafana.palette import PALETTE
from gateway.telemetry import metrics
from tests.support.grafana.boards import FOLDER, committed, panels
from tests.support.promql import grouped, selected

_BY_NAME = {
    f"{metric.name}{part}": metric
    for metric in metrics.ALL
    for part in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def every() -> list[Any]:
    return [
        pytest.param(panel, id=f"{uid}: {panel['title']}")
        for uid, board in committed().items()
        for panel in panels(board)
    ]


def expressions() -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{each.id} {target['refId']}")
        for each in every()
        for target in each.values[0]["targets"]
    ]


def strings(value: object) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value with the key that it is under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [(key, inner)] if isinstance(inner, str) else strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_what_is_committed_is_what_is_made() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == files()


def test_the_uids_stay() -> None:
    assert set(committed()) == {"tipstaff-rollout", "tipstaff-violations", "tipstaff-gateway", "tipstaff-pipeline"}


@pytest.mark.parametrize("panel", every())
def test_every_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert "Worry " in panel["description"] or "worry " in panel["description"]
    assert panel["targets"]
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_titles_are_unique_on_a_dashboard() -> None:
    for board in committed().values():
        titles = [panel["title"] for panel in panels(board)]
        assert len(titles) == len(set(titles))


@pytest.mark.parametrize("expression", expressions())
def test_a_query_names_only_metrics_and_labels_that_there_are(expression: str) -> None:
    named = list(selected(expression))
    asked = [_BY_NAME[each.metric] for each in named]
    for metric, (_, labels) in zip(asked, named, strict=True):
        assert set(labels) <= set(metric.labels)
    assert grouped(expression) - {"le"} <= {label for metric in asked for label in metric.labels}
    assert ("[" in expression) == any(metric.kind != "gauge" for metric in asked)
    assert set(re.findall(r"\[([^]]*)\]", expression)) <= {"$__rate_interval", "$__range"}


@pytest.mark.parametrize("made", committed().values(), ids=lambda board: board["uid"])
def test_a_dashboard_has_the_variables_that_it_uses(made: dict[str, Any]) -> None:
    declared = {variable["name"]: variable for variable in made["templating"]["list"]}
    used = {name for _, text in strings(made) for name in re.findall(r"\$\{?([a-z]\w*)", text)}
    assert used | {"datasource", "tipstaff_url"} == set(declared)
    assert declared["datasource"]["query"] == "prometheus"
    for name in set(declared) & {"model", "arm", "principle"}:
        variable = declared[name]
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".*")
        assert re.fullmatch(rf"label_values\(tipstaff_\w+(\{{.*\}})?, {name}\)", variable["query"])
        (asked,) = selected(variable["query"].removeprefix("label_values(").removesuffix(f", {name})"))
        assert name in _BY_NAME[asked.metric].labels


def test_every_dashboard_leads_to_the_others_and_to_the_built_in_page() -> None:
    found = committed()
    for uid, board in found.items():
        inner = [link for link in board["links"] if link["url"].startswith("/d/")]
        assert {link["url"].removeprefix("/d/") for link in inner} == set(found) - {uid}
        assert all(link["keepTime"] and link["includeVars"] for link in inner)
        (outer,) = (link for link in board["links"] if link not in inner)
        assert outer["url"] == "${tipstaff_url}"


@pytest.mark.parametrize("board", committed().values(), ids=lambda board: board["uid"])
def test_no_two_panels_share_a_place(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", every())
def test_colours_are_of_the_palette_only(panel: dict[str, Any]) -> None:
    """No scheme of Grafana's own either: they say good and bad in green and red."""
    named = {text for key, text in strings(panel) if key in ("color", "fixedColor") or _COLOUR.search(text)}
    assert named <= set(PALETTE)
    colours = [panel["fieldConfig"]["defaults"]["color"]]
    properties = [each for over in panel["fieldConfig"]["overrides"] for each in over["properties"]]
    colours += [each["value"] for each in properties if each["id"] == "color"]
    assert {colour["mode"] for colour in colours} <= {"fixed", "shades"}
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]


@pytest.mark.parametrize("panel", every())
def test_what_differs_in_colour_by_arm_differs_in_line_too(panel: dict[str, Any]) -> None:
    dashed = set()
    for over in panel["fieldConfig"]["overrides"]:
        if any(each["id"] == "custom.lineStyle" for each in over["properties"]):
            dashed.add(over["matcher"]["options"])
    coloured = {over["matcher"]["options"] for over in panel["fieldConfig"]["overrides"]}
    if panel["type"] == "timeseries" and r"/\bcanary\b/" in coloured:
        assert r"/\bcanary\b/" in dashed
