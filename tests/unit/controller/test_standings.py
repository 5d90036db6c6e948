"""Where each model's last rollout stands, for many who ask at once."""

import pytest

from gateway.controller.kept_rollout import Kept
from tests.unit.controller.conftest import Controller

ROLLOUT = "/api/v1/models/assistant/rollout"


def ended(controller: Controller, plan: str) -> str:
    """A rollout that was started and rolled back; returns its id."""
    start = {"to": "canary", "plan": plan, "reason": "v2"}
    assert controller.call("POST", ROLLOUT, json=start).status_code == 200
    assert controller.call("POST", f"{ROLLOUT}/rollback", json={"reason": "a complaint"}).status_code == 200
    return controller.store.rollouts()[-1].rollout


def test_who_read_slowly_hides_nothing_from_who_comes_later(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    standings, last = controller.parts.standings, controller.rollouts.last
    first, later = ended(controller, "fast"), ""

    def slow(model: str, *, drills: bool = True) -> Kept | None:
        """While one reads what was last, another rollout comes to its end, and somebody else asks for that."""
        nonlocal later
        found = last(model, drills=drills)
        if not later:
            later = "meanwhile"
            later = ended(controller, "cautious")
            shown = standings.kept("assistant")
            assert shown is not None
            assert shown.state.rollout == later
        return found

    monkeypatch.setattr(controller.rollouts, "last", slow)
    seen = standings.kept("assistant")
    assert seen is not None
    assert seen.state.rollout == first
    after = standings.kept("assistant")
    assert after is not None
    assert after.state.rollout == later
