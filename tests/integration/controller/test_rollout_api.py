"""Rollouts by the admin API, over the real store, index and table file."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.controller.first_wish import start_wished
from gateway.rollout.commands import Refused
from gateway.rollout.plan import DAY, parse
from gateway.settings import ConfigError, Model, RolloutWish
from tests.integration.controller.test_rollouts import PLAN, ApiSite, Site
from tests.support.plans import QUICK
from tests.support.rollouts import MODEL

ROLLOUT = f"/api/v1/models/{MODEL}/rollout"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = ApiSite(tmp_path)
    yield made
    made.controller.close()


def post(site: Site, path: str, body: dict[str, Any], status: int = 200) -> Any:  # noqa: ANN401 - JSON
    answer = site.controller.call("POST", path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def start(site: Site, **more: Any) -> Any:  # noqa: ANN401 - JSON
    site.rollouts.advance(site.traffic.now_us)
    return post(site, ROLLOUT, {"to": "canary", "plan": QUICK, "reason": "a try", **more})


def say(site: Site, word: str, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    return post(site, f"{ROLLOUT}/{word}", {"reason": f"{word}, says ann"}, status)


def decision(site: Site, identifier: str) -> Any:  # noqa: ANN401 - JSON
    return site.controller.get(f"/api/v1/decisions/{identifier}")


def test_the_plan_of_these_tests_is_the_one_that_the_api_is_given() -> None:
    assert parse(QUICK) == PLAN


class TestAPlan:
    def test_nothing_is_promised_without_traffic_and_nothing_started(self, site: Site) -> None:
        found = post(site, f"{ROLLOUT}/plan", {"plan": "balanced"})
        assert found["expected"] is None
        assert "no traffic" in found["why_not"]
        assert found["least"] == 5 * 6 * 3600 + DAY
        assert [each["percent"] for each in found["stages"]] == [1, 5, 10, 25, 50, 95]
        assert site.rollouts.last(MODEL) is None

    def test_it_goes_by_the_traffic_and_rates_that_were_seen(self, site: Site) -> None:
        site.run(120)
        found = post(site, f"{ROLLOUT}/plan", {"plan": QUICK})
        assert found["rates"]["harm"] == pytest.approx(0.02, abs=0.01)
        assert found["rates"]["errors"] < 0.01
        assert found["budget_chance"] == 0.0

    def test_what_cannot_be_used_is_said(self, site: Site) -> None:
        assert "expected one of cautious" in post(site, f"{ROLLOUT}/plan", {"plan": "bold"}, 422)["detail"]
        wanted = {"guardrails": [{"metric": "principle:nonesuch", "promotes": True}]}
        detail = post(site, f"{ROLLOUT}/plan", {"plan": wanted}, 422)["detail"]
        assert "no principle 'nonesuch'" in detail


class TestAWord:
    def test_every_one_is_a_decision_with_actor_and_reason(self, site: Site) -> None:
        shown = start(site)
        assert (shown["status"], shown["stage"]["percent"]) == ("running", 10)
        assert (shown["from"], shown["to"]) == (
            {"arm": "stable", "version": "stable-1"},
            {"arm": "canary", "version": "canary-1"},
        )
        for word, status in (("freeze", "frozen"), ("resume", "running"), ("suspend", "suspended")):
            assert say(site, word)["status"] == status
        assert site.weight() == 0.0
        assert say(site, "promote")["status"] == "promoted"
        assert site.weight() == 1.0
        assert say(site, "undo")["status"] == "undone"
        assert site.weight() == 0.0
        page = site.controller.get(f"{ROLLOUT}/{shown['id']}/decisions")["decisions"]
        assert [each["kind"] for each in page] == ["start", "freeze", "resume", "suspend", "promote", "undo"]
        assert {each["actor"] for each in page} == {"operator"}
        assert page[1]["reason"] == "freeze, says ann"

    def test_one_that_can_do_nothing_is_refused_with_what_can_be_done(self, site: Site) -> None:
        assert post(site, f"{ROLLOUT}/undo", {"reason": "so"}, 404)["type"].endswith("no-rollout")
        start(site)
        assert "can: suspend" in say(site, "undo", 409)["detail"]
        assert "is running" in post(site, ROLLOUT, {"to": "canary", "reason": "again"}, 409)["detail"]
        post(site, f"{ROLLOUT}/suspend", {}, 422)
        post(site, f"{ROLLOUT}/explode", {"reason": "so"}, 422)
        post(site, "/api/v1/models/nonesuch/rollout/suspend", {"reason": "so"}, 404)

    def test_weights_are_the_rollouts_while_it_runs(self, site: Site) -> None:
        start(site)
        wanted = {"weights": {"canary": 25}, "reason": "by hand"}
        path = f"/api/v1/models/{MODEL}/weights"
        answer = site.controller.call("PUT", path, json=wanted)
        assert answer.status_code == 409
        assert "use tipstaff rollout" in answer.json()["detail"]
        say(site, "rollback")
        assert site.controller.call("PUT", path, json=wanted).status_code == 200

    def test_finish_leaves_what_the_configuration_should_say(self, site: Site) -> None:
        start(site)
        say(site, "promote")
        found = yaml.safe_load(say(site, "finish")["yaml"])
        assert list(found["models"][MODEL]["arms"]) == ["canary", "stable"]
        assert Model.model_validate(found["models"][MODEL]).baseline == "canary"

    def test_nobody_sets_weights_behind_a_promotion_that_was_not_finished(self, site: Site) -> None:
        start(site)
        post(site, f"{ROLLOUT}/promote", {"reason": "so"})
        with pytest.raises(Refused, match="finish or undo"):
            site.rollouts.set_weights(MODEL, {"canary": 0.5}, "half of it", "ada")

    def test_what_was_promoted_and_finished_is_not_tried_again(self, site: Site) -> None:
        start(site)
        for word in ("promote", "finish"):
            post(site, f"{ROLLOUT}/{word}", {"reason": "so"})
        said = post(site, f"{ROLLOUT}/retry", {"reason": "again"}, 409)
        assert "was promoted and finished" in said["detail"]

    def test_retry_starts_the_same_again_and_history_has_both(self, site: Site) -> None:
        first = start(site)["id"]
        assert "rollout of assistant is running" in say(site, "retry", 409)["detail"]
        say(site, "rollback")
        assert "has ended" in post(site, ROLLOUT, {"to": "canary", "plan": QUICK, "reason": "so"}, 409)["detail"]
        again = say(site, "retry")
        assert (again["id"], again["status"]) == (f"{first}.1", "running")
        listed = site.controller.get(f"{ROLLOUT}/history")["rollouts"]
        assert [(each["id"], each["status"]) for each in listed] == [
            (f"{first}.1", "running"),
            (first, "rolled_back"),
        ]


class TestWhereItStands:
    def test_why_it_waits_and_what_is_left(self, site: Site) -> None:
        start(site)
        site.run(5)
        found = site.controller.get(ROLLOUT)
        assert found["why"].startswith("the stage is held for")
        assert found["left"][0]["what"] == "dwell"
        assert 10 <= found["left"][0]["seconds"] <= 16
        assert found["evidence"]["units"][0] > found["evidence"]["units"][1]
        assert found["can"] == ["suspend", "freeze", "rollback", "promote", "approve"]
        assert found["old_arm_free"] is None

    def test_it_is_readable_to_the_end(self, site: Site) -> None:
        start(site)
        site.run(300)
        found = site.controller.get(ROLLOUT)
        assert found["status"] == "promoted"
        assert found["old_arm_free"] is not None
        made = decision(site, found["last_decision"])
        assert (made["decision"]["kind"], made["story"]["status"]) == ("promote", "promoted")
        assert made["story"]["replaced_by"] is None
        until = datetime.fromisoformat(made["story"]["undo_until"])
        assert until - datetime.fromisoformat(made["decision"]["time"]) == timedelta(days=7)
        before = made["story"]["preceding"]
        assert (before["kind"], before["weights"]) == ("promote", {"canary": 95.0, "stable": 5.0})
        first = decision(site, f"{found['id']}-1")
        assert first["decision"]["kind"] == "start"
        assert first["story"]["replaced_by"] is not None
        assert (first["story"]["preceding"], first["story"]["period"]) == (None, found["plan"]["period"])
        assert first["rests_on"]["canary"] == "canary-1"
        assert first["evidence"]["needs"] == pytest.approx(1.30103)

    def test_what_is_no_evidence_is_counted_by_its_reason(self, site: Site) -> None:
        start(site)
        site.run(3)
        assert site.controller.get(ROLLOUT)["left_out"] == {}
        kept = site.rollouts.running(MODEL)
        assert kept is not None
        kept._leave_out("forced")
        assert site.controller.get(ROLLOUT)["left_out"] == {"forced": 1}

    def test_there_is_none(self, site: Site) -> None:
        assert site.controller.call("GET", ROLLOUT).status_code == 404
        assert site.controller.call("GET", "/api/v1/decisions/nonesuch").status_code == 404
        assert site.controller.call("GET", f"{ROLLOUT}/nonesuch/decisions").status_code == 404


class TestTheConfigurationsWish:
    def wish(self, site: Site, plan: object = QUICK) -> None:
        model = site.controller.parts.models[MODEL]
        wish = RolloutWish.model_validate({"to": "canary", "plan": plan})
        models = {MODEL: model.model_copy(update={"rollout": wish})}
        start_wished(models, site.controller.parts.orders, site.rollouts)

    def test_it_is_started_once_and_never_comes_back_by_itself(self, site: Site) -> None:
        self.wish(site)
        self.wish(site)
        assert site.status() == "running"
        assert site.decisions()[-1].actor == "config"
        site.rollouts.command(MODEL, "rollback", "ann", "no")
        self.wish(site)
        assert site.status() == "rolled_back"
        assert site.weight() == 0.0

    def test_a_plan_that_cannot_be_used_names_its_key(self, site: Site) -> None:
        with pytest.raises(ConfigError, match=r"models\.assistant\.rollout\.plan\.preset"):
            self.wish(site, "bold")


def test_a_drill_is_marked(site: Site) -> None:
    assert start(site, drill=0.5)["drill"] == 0.5


def test_a_lost_folder_says_so(site: Site, tmp_path: Path) -> None:
    site.controller.data.root.rename(tmp_path / "aside")
    assert site.controller.call("GET", ROLLOUT).status_code == 503
    (tmp_path / "aside").rename(site.controller.data.root)
