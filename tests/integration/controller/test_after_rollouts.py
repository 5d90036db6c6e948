"""What a start makes of rollouts that were: a winner stays what it is, and what went back does not come back."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.controller.rollouts import Rollouts
from gateway.controller.tables import wishes
from gateway.rollout.commands import Refused
from gateway.settings import Model
from tests.integration.controller.test_drills import drill
from tests.integration.controller.test_rollout_api import ROLLOUT, post, start
from tests.integration.controller.test_rollouts import ApiSite, Site
from tests.support.rollouts import MODEL
from tests.unit.controller.conftest import shipped


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = ApiSite(tmp_path)
    yield made
    made.controller.close()


def arm(version: str, **more: object) -> dict[str, Any]:
    return {"endpoints": ["http://127.0.0.1:1"], "version": version, **more}


def models(arms: Mapping[str, object]) -> dict[str, Model]:
    return {MODEL: Model.model_validate({"arms": arms})}


AS_IT_WAS = models({"stable": arm("stable-1"), "canary": arm("canary-1", weight=10)})


def restart(site: Site, configured: Mapping[str, Model]) -> None:
    """The controller ends and starts again, with this configuration."""
    site.crash()
    parts = site.controller
    parts.tables.start(wishes(configured))
    parts.rollouts = Rollouts(parts.store, parts.tables, parts.index, configured, shipped(), parts.clock)
    parts.rollouts.stop_changed()


def shares(site: Site) -> dict[str, float]:
    return {share.arm: share.weight for share in site.controller.tables.current().models[MODEL].arms}


def say(site: Site, *words: str) -> dict[str, Any]:
    answer = [post(site, f"{ROLLOUT}/{word}", {"reason": "so"}) for word in words]
    return dict(answer[-1])


class TestAWinner:
    def test_as_the_printed_yaml_has_it(self, site: Site) -> None:
        start(site)
        printed = yaml.safe_load(say(site, "promote", "finish")["yaml"])
        configured = {name: Model.model_validate(model) for name, model in printed["models"].items()}
        assert list(configured[MODEL].arms) == ["canary", "stable"]
        for _ in range(2):
            restart(site, configured)
            assert shares(site) == {"canary": 1.0, "stable": 0.0}

    @pytest.mark.parametrize("finished", [True, False])
    def test_behind_the_first_arms_name(self, site: Site, *, finished: bool) -> None:
        start(site)
        say(site, "promote", *(["finish"] if finished else []))
        for _ in range(2):
            restart(site, models({"stable": arm("canary-1"), "canary": arm("canary-2")}))
            assert shares(site) == {"stable": 1.0, "canary": 0.0}
        last = site.decisions()[-1]
        assert (last.actor, last.weights.after) == ("config", {"stable": 1.0, "canary": 0.0})

    def test_alone(self, site: Site) -> None:
        start(site)
        say(site, "promote", "finish")
        restart(site, models({"stable": arm("canary-1")}))
        assert shares(site) == {"stable": 1.0}

    def test_nothing_moves_without_an_edit(self, site: Site) -> None:
        start(site)
        say(site, "promote", "finish")
        restart(site, AS_IT_WAS)
        assert shares(site) == {"stable": 0.0, "canary": 1.0}

    def test_a_drill_in_between_changes_nothing_of_that(self, site: Site) -> None:
        start(site)
        say(site, "promote", "finish")
        drill(site, 0.5)
        site.rollouts.command(MODEL, "rollback", "ann", "seen enough")
        assert shares(site) == {"stable": 0.0, "canary": 1.0}
        restart(site, models({"stable": arm("canary-1"), "canary": arm("canary-2")}))
        assert shares(site) == {"stable": 1.0, "canary": 0.0}

    def test_the_next_one_goes_on_from_it(self, site: Site) -> None:
        start(site)
        say(site, "promote", "finish")
        restart(site, models({"canary": arm("canary-1"), "stable": arm("canary-2")}))
        with pytest.raises(Refused, match="the first arm"):
            site.start()

    def test_undone_after_the_winner_became_the_first_arm(self, site: Site) -> None:
        start(site)
        say(site, "promote")
        restart(site, models({"canary": arm("canary-1"), "stable": arm("stable-1")}))
        say(site, "undo")
        assert shares(site) == {"canary": 0.0, "stable": 1.0}

    def test_undo_needs_an_arm_to_go_back_to(self, site: Site) -> None:
        start(site)
        say(site, "promote")
        restart(site, models({"canary": arm("canary-1")}))
        with pytest.raises(Refused, match="no arm 'stable' to go back to"):
            site.rollouts.command(MODEL, "undo", "ann", "it was better")


class TestAnotherVersionUnderWay:
    """What evidence speaks of must be what users get."""

    @pytest.mark.parametrize(
        ("arms", "said"),
        [
            ({"stable": arm("stable-1"), "canary": arm("canary-2")}, "canary 'canary-2' now"),
            ({"stable": arm("stable-2"), "canary": arm("canary-1")}, "stable 'stable-2' now"),
            ({"stable": arm("stable-1")}, "no arm 'canary' any more"),
            ({"stable": arm("stable-1"), "candidate": arm("canary-1")}, "no arm 'canary' any more"),
        ],
    )
    def test_it_is_taken_back_with_the_reason(self, site: Site, arms: dict[str, Any], said: str) -> None:
        start(site)
        site.run(10)
        assert shares(site)["canary"] > 0
        restart(site, models(arms))
        last = site.decisions()[-1]
        assert (last.kind, last.actor) == ("roll_back", "config")
        assert said in last.reason
        assert shares(site) == {"stable": 1.0} | dict.fromkeys(list(arms)[1:], 0.0)
        site.run(60)
        assert site.decisions()[-1] == last

    def test_the_same_versions_go_on(self, site: Site) -> None:
        start(site)
        site.run(10)
        before = shares(site)
        restart(site, AS_IT_WAS)
        assert shares(site) == before
        assert site.rollouts.running(MODEL) is not None


class TestWhatWentBack:
    @pytest.fixture(params=["rollback", "undo", "evidence"])
    def back(self, site: Site, request: pytest.FixtureRequest) -> Site:
        start(site)
        if request.param == "rollback":
            say(site, "rollback")
        elif request.param == "undo":
            say(site, "promote", "undo")
        else:
            site.traffic.canary = 0.5
            site.run(90)
        assert shares(site) == {"stable": 1.0, "canary": 0.0}
        return site

    def test_a_restart(self, back: Site) -> None:
        for _ in range(2):
            restart(back, AS_IT_WAS)
            assert shares(back) == {"stable": 1.0, "canary": 0.0}

    def test_another_weight_in_the_configuration(self, back: Site) -> None:
        restart(back, models({"stable": arm("stable-1"), "canary": arm("canary-1", weight=50)}))
        assert shares(back) == {"stable": 1.0, "canary": 0.0}

    def test_another_name_for_it(self, back: Site) -> None:
        restart(back, models({"stable": arm("stable-1"), "candidate": arm("canary-1", weight=10)}))
        assert shares(back) == {"stable": 1.0, "candidate": 0.0}

    def test_the_arm_taken_out_and_put_in_again(self, back: Site) -> None:
        restart(back, models({"stable": arm("stable-1")}))
        restart(back, AS_IT_WAS)
        assert shares(back) == {"stable": 1.0, "canary": 0.0}

    def test_the_model_taken_out_and_put_in_again(self, back: Site) -> None:
        restart(back, {"other": AS_IT_WAS[MODEL]})
        assert MODEL not in back.controller.tables.current().models
        restart(back, AS_IT_WAS)
        assert shares(back) == {"stable": 1.0, "canary": 0.0}

    def test_a_table_file_that_is_gone(self, back: Site) -> None:
        back.controller.data.table.unlink()
        restart(back, AS_IT_WAS)
        assert back.weight() == 0.0

    def test_an_upgrade(self, back: Site) -> None:
        """The state as an earlier tipstaff had it, which kept nothing of rollouts."""
        with closing(sqlite3.connect(back.controller.data.state)) as connection:
            for table in ("rollouts", "units", "queue", "inputs", "forgotten", "named"):
                connection.execute(f"DROP TABLE {table}")
            connection.execute("PRAGMA user_version = 1")
            connection.commit()
        restart(back, AS_IT_WAS)
        assert shares(back) == {"stable": 1.0, "canary": 0.0}

    def test_an_operator_can_bring_it_back(self, back: Site) -> None:
        restart(back, AS_IT_WAS)
        back.rollouts.set_weights(MODEL, {"canary": 0.1}, "it was the network", "ada")
        restart(back, AS_IT_WAS)
        assert shares(back) == {"stable": 0.9, "canary": 0.1}
