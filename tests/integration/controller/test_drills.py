"""Drills over the real store, index and table file: everything is real but the harm, and nothing of it stays."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.rollout_screen import decision_lines
from gateway.controller.bundle import bundle
from gateway.controller.notification import as_json, as_slack
from gateway.controller.record import read_record
from gateway.controller.rollouts import Order
from gateway.controller.routers.decision_values import decision_shown
from gateway.controller.verification import verify
from gateway.core.routing import ModelRoute
from gateway.rollout.commands import Refused
from gateway.rollout.plan import Plan, parse
from gateway.tablefile import read_table
from tests.integration.controller.test_rollout_api import ROLLOUT, post
from tests.integration.controller.test_rollout_commands import Served, quiet
from tests.integration.controller.test_rollouts import PLAN, Site
from tests.support.plans import QUICK
from tests.support.rollouts import MODEL

__all__ = ["quiet"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.controller.close()


def drill(site: Site, share: float, plan: Plan = PLAN) -> None:
    site.rollouts.advance(site.traffic.now_us)
    order = Order(
        model=MODEL, stable="stable", canary="canary", plan=plan, actor="ann", reason="to see it", drill=share
    )
    site.rollouts.start(order)


def route(site: Site) -> ModelRoute:
    table = read_table(site.controller.data.table)
    assert table is not None
    return table.models[MODEL]


def test_a_healthy_canary_is_taken_for_a_bad_one_and_everything_is_put_back(site: Site) -> None:
    before = route(site)
    assert before.weight("canary") == 0.1
    drill(site, 0.5)
    assert route(site).salt != before.salt
    assert route(site).reason == "drill: to see it"
    site.run(60)
    assert site.kinds()[-1] == "roll_back"
    assert site.status() == "rolled_back"
    assert route(site) == before  # whose word it was and who was on which arm, too
    last = site.decisions()[-1]
    assert last.weights.after == {"stable": 0.9, "canary": 0.1}
    site.crash()
    assert route(site) == before


def test_it_is_never_promoted(site: Site) -> None:
    site.controller.rollouts = site.controller.parts.rollouts
    before = route(site)
    drill(site, 1e-9)
    site.run(300)
    assert site.kinds() == ["start", "advance", "advance", "finish"]
    assert site.status() == "finished"
    assert route(site) == before
    shown = site.controller.get(ROLLOUT)
    assert (shown["yaml"], shown["old_arm_free"], shown["can"]) == (None, None, [])


def test_the_harm_budget_is_drilled_too(site: Site) -> None:
    drill(site, 1.0, parse({**QUICK, "harm_budget": 3, "alarm_alpha": 1e-9, "alpha": 1e-9}))
    site.run(10)
    assert site.kinds() == ["start", "stop"]
    assert route(site).weight("canary") == 0.1


@pytest.mark.parametrize("ended_by", ["rollback", "evidence"])
def test_a_real_one_afterwards_knows_nothing_of_it(site: Site, tmp_path: Path, ended_by: str) -> None:
    alone = Site(tmp_path / "alone")
    drill(site, 0.5)
    if ended_by == "rollback":
        site.run(3)
        site.rollouts.command(MODEL, "rollback", "ann", "seen enough")
    else:
        site.run(60)
    for each in (site, alone):
        each.start()
    kept, other = (each.rollouts.last(MODEL) for each in (site, alone))
    assert kept is not None
    assert other is not None
    assert kept.state.rollout == other.state.rollout
    assert kept.terms.before == other.terms.before == {"stable": 0.9, "canary": 0.1}
    site.run(300)
    assert site.status() == "promoted"
    alone.controller.close()


def test_drills_are_numbered_by_themselves_and_retry_means_the_real_one(site: Site) -> None:
    site.controller.rollouts = site.controller.parts.rollouts
    site.start()
    site.rollouts.command(MODEL, "rollback", "ann", "no")
    for _ in range(2):
        drill(site, 0.5)
        with pytest.raises(Refused, match="a drill of assistant is running"):
            site.rollouts.set_weights(MODEL, {"canary": 0.5}, "by hand", "ada")
        site.rollouts.command(MODEL, "rollback", "ann", "seen enough")
    again = site.controller.parts.orders.retry(MODEL, "ann", "mended")
    names = [each.rollout for each in site.controller.store.rollouts()]
    assert names == [names[0], f"{names[0]}.drill", f"{names[0]}.drill.1", f"{names[0]}.1"]
    assert again.state.drill == 0


def test_every_decision_and_notification_says_so(site: Site) -> None:
    drill(site, 0.5)
    site.run(60)
    made = [each for each in site.decisions() if each.rollout]
    assert len(made) > 2
    for each in made:
        assert each.drill == 0.5
        assert json.loads(as_json(each, "head", ""))["drill"] == 0.5
        assert json.loads(as_slack(each, "head", ""))["text"].startswith("DRILL, nothing is wrong: ")
    page = [decision_shown(number, each).model_dump(mode="json") for number, each in enumerate(made, 1)]
    assert all("DRILL" in line for line in decision_lines({"decisions": page}))


def test_it_can_be_checked_like_any_other(site: Site, tmp_path: Path) -> None:
    drill(site, 0.5)
    site.run(60)
    path = tmp_path / "drill.zip"
    path.write_bytes(b"".join(bundle(site.controller.data, read_record(site.controller.data, ""), "0.0.1")))
    assert [each.said for each in verify(path) if not each.holds] == []


def test_a_plan_that_would_not_see_it_is_refused(site: Site) -> None:
    blind = parse({**QUICK, "guardrails": [{"metric": "errors", "margin": 0.05, "promotes": True}]})
    with pytest.raises(Refused, match="no guardrail on harm"):
        drill(site, 0.5, blind)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_cannot_be_is_refused(site: Site, share: float) -> None:
    post(site, ROLLOUT, {"to": "canary", "plan": QUICK, "reason": "so", "drill": share}, 422)


class TestTheCommand:
    @contextmanager
    def served(self, root: Path) -> Iterator[Served]:
        made = Served(root)
        yield made
        made.close()

    def test_it_starts_one_and_every_screen_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "plan.yaml").write_text(json.dumps(QUICK))
        with self.served(tmp_path) as served:
            done = served.run_command(f"tipstaff rollout drill {MODEL} --share 0.5 --plan {tmp_path / 'plan.yaml'}")
            assert done.exit_code == 0, done.output
            assert done.stdout.startswith("RUNNING · DRILL · assistant")
            assert served.run_command(f"tipstaff rollout wait {MODEL} --timeout 60").exit_code == 5
            shown = served.run_command(f"tipstaff rollout status {MODEL}").stdout
            assert shown.startswith("ROLLED BACK · DRILL")
            listed = self.json(served, f"tipstaff rollout decisions {MODEL} --json")["decisions"]
            screen = served.run_command(f"tipstaff rollout decision {listed[-1]['id']}").stdout
            assert screen.startswith("DRILL · ROLL BACK")
            assert served.run_command(f"tipstaff rollout history {MODEL}").stdout.rstrip().endswith("DRILL")

    def json(self, served: Served, line: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(served.run_command(line).stdout)
        return found

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ("assistant --share 0", "--share 0: expected"),
            ("assistant --share nan", "expected a share"),
            ("org/solo --share 0.2", "Beside the first there are none"),
        ],
    )
    def test_what_cannot_be_is_one_line(self, tmp_path: Path, options: str, words: str) -> None:
        with self.served(tmp_path) as served:
            done = served.run_command(f"tipstaff rollout drill {options}")
        assert done.exit_code == 2
        assert words in done.stderr
