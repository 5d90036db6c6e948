"""What a page shows of a rollout that goes wrong: its evidence over time, and the lamps."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.rollout.plan import parse
from gateway.telemetry import metrics
from tests.integration.controller.test_rollouts import ApiSite
from tests.support.plans import QUICK
from tests.support.rollouts import MODEL

PLAN = parse({**QUICK, "harm_budget": 1e6})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ApiSite]:
    made = ApiSite(tmp_path)
    yield made
    made.controller.close()


def until_it_ends(site: ApiSite) -> str:
    """A rollout whose canary goes bad, looked at once a second; its id."""
    site.start(PLAN)
    for second in range(90):
        site.traffic.canary = 0.02 if second < 25 else 0.4
        site.step()
        site.controller.history.look()
    kept = site.rollouts.last(MODEL)
    assert kept is not None
    assert kept.state.status == "rolled_back"
    return kept.state.rollout


def evidence(site: ApiSite, rollout: str) -> dict[str, Any]:
    found: dict[str, Any] = site.controller.get(f"/api/v1/models/{MODEL}/rollout/{rollout}/evidence")
    return found


def test_it_grows_to_the_line_where_the_decision_is(site: ApiSite) -> None:
    rollout = until_it_ends(site)
    found = evidence(site, rollout)
    points = found["points"]
    assert found["guardrails"] == ["harm", "errors"]
    times = [datetime.fromisoformat(each["time"]) for each in points]
    assert times == sorted(times)
    assert sum(each["decision"] is None for each in points) >= 10
    last = points[-1]
    assert (last["decision"], last["percent"]) == ("roll_back", 0.0)
    assert last["mean"] >= found["needs"] > points[0]["mean"]
    assert all(len(each["worse"]) == len(each["stable"]) == 2 for each in points)
    counted = [sum(each["exchanges"]) for each in points]
    assert counted == sorted(counted)
    assert counted[-1] > 1000


def test_without_the_file_decisions_say_enough_to_draw(site: ApiSite) -> None:
    rollout = until_it_ends(site)
    whole = evidence(site, rollout)["points"]
    site.controller.history.purge(2**62)
    left = evidence(site, rollout)["points"]
    assert [each["decision"] for each in left] == [each["decision"] for each in whole if each["decision"]]
    assert left[-1]["mean"] == whole[-1]["mean"]


def test_the_moment_is_its_last_point(site: ApiSite) -> None:
    site.start(PLAN)
    site.run(15)
    running = site.rollouts.running(MODEL)
    assert running is not None
    points = evidence(site, running.kept.state.rollout)["points"]
    assert (points[-1]["decision"], points[-1]["percent"]) == (None, 10.0)
    assert points[-1]["exchanges"] == running.kept.state.exchanges


def test_what_there_is_not_is_not_found(site: ApiSite) -> None:
    site.start(PLAN)
    running = site.rollouts.running(MODEL)
    assert running is not None
    for path in (f"{MODEL}/rollout/none", f"org/solo/rollout/{running.kept.state.rollout}", "none/rollout/none"):
        assert site.controller.call("GET", f"/api/v1/models/{path}/evidence").status_code == 404


def test_the_lamps_say_what_the_alarm_did(site: ApiSite) -> None:
    site.controller.meters.gauge(metrics.SCORER_LAG).set(0.1)
    site.start(PLAN)
    said: dict[str, str] = {}
    for second in range(90):
        site.traffic.canary = 0.02 if second < 25 else 0.4
        site.step()
        found = site.controller.get("/api/v1/live")
        said[found["models"][0]["rollout"]["status"]] = found["headline"]["safety"]["said"]
    assert "canary is worse" in said["running"] or "canary leans towards worse" in said["running"]
    assert " still have canary: frozen by the fast alarm on harm, " in said["frozen"]
    assert said["rolled_back"].startswith(f"{MODEL}: nobody has canary, rolled back ")
    assert "the canary is worse, mostly in harm: rollback E " in said["rolled_back"]
