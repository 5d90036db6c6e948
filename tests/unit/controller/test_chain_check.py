"""The newest decisions first, and whether the chain holds when somebody has had their hands in the store."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.controller.chain import GENESIS
from gateway.controller.chain_check import ChainCheck
from tests.unit.controller.conftest import Controller

WEIGHTS = "/api/v1/models/assistant/weights"


@pytest.fixture
def decided(controller: Controller) -> Controller:
    """Two decisions of the configuration, and five of an operator's."""
    for number in range(5):
        controller.tables.set_weights("assistant", {"canary": number / 10}, f"step {number}")
    return controller


def verification(controller: Controller) -> dict[str, Any]:
    found: dict[str, Any] = controller.get("/api/v1/decisions/verification")
    return found


def changed(controller: Controller, statement: str) -> None:
    with closing(sqlite3.connect(controller.data.state)) as connection, connection:
        assert connection.execute(statement).rowcount == 1


class TestNewestFirst:
    def test_pages_from_the_last_to_the_first(self, decided: Controller) -> None:
        found: list[int] = []
        before: dict[str, int] = {}
        while True:
            page = decided.get("/api/v1/decisions", params={"order": "newest", "limit": 3, **before})
            found += [each["number"] for each in page["decisions"]]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
        assert found == [7, 6, 5, 4, 3, 2, 1]

    def test_the_old_order_stays(self, decided: Controller) -> None:
        page = decided.get("/api/v1/decisions", params={"limit": 3})
        assert ([each["number"] for each in page["decisions"]], page["next"]) == ([1, 2, 3], 3)

    def test_another_order_is_refused(self, controller: Controller) -> None:
        assert controller.call("GET", "/api/v1/decisions?order=best").status_code == 422


class TestTheChain:
    def test_it_holds(self, decided: Controller) -> None:
        newest = decided.get("/api/v1/decisions", params={"order": "newest", "limit": 1})["decisions"][0]
        found = verification(decided)
        assert (found["checked"], found["broken_at"], found["head"]) == (7, None, newest["hash"])
        assert found["said"] == "all 7 decisions follow from one another"

    def test_before_any_decision(self, tmp_path: Path) -> None:
        controller = Controller(tmp_path)
        found = ChainCheck(controller.store, controller.clock).seen()
        assert (found.checked, found.head, found.said) == (0, GENESIS, "nothing was decided yet")
        controller.close()

    @pytest.mark.parametrize(
        ("statement", "checked", "said"),
        [
            (
                "UPDATE decisions SET body = replace(body, 'step 1', 'step x') WHERE number = 4",
                4,
                "decision 4 has another hash than was stored with it",
            ),
            (
                "UPDATE decisions SET body = replace(body, 'step 4', 'step x') WHERE number = 7",
                7,
                "decision 7 has another hash than was stored with it",
            ),
            (
                "UPDATE decisions SET (body, hash) = (SELECT body, hash FROM decisions LIMIT 1) WHERE number = 4",
                4,
                "decision 4 does not follow from the one before",
            ),
            ("DELETE FROM decisions WHERE number = 4", 4, "decision 5 does not follow from the one before"),
            ("DELETE FROM decisions WHERE number = 1", 1, "decision 2 does not follow from the one before"),
            ("UPDATE decisions SET body = 'no decision' WHERE number = 4", 4, "decision 4 cannot be read"),
        ],
    )
    def test_what_was_changed_or_taken_out_shows(
        self, decided: Controller, statement: str, checked: int, said: str
    ) -> None:
        changed(decided, statement)
        found = verification(decided)
        assert (found["checked"], found["said"][: len(said)]) == (checked, said)
        assert found["broken_at"] == int(said.split()[1])

    def test_it_is_looked_at_again_for_a_new_decision_and_once_a_minute(
        self, decided: Controller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[int] = []
        bodies = decided.store.bodies

        def counted(after: int, limit: int) -> list[tuple[int, bytes, str]]:
            looks.extend([1] if after == 0 else [])
            return bodies(after, limit)

        monkeypatch.setattr(decided.store, "bodies", counted)
        first = verification(decided)
        assert verification(decided) == first
        assert len(looks) == 1
        decided.tables.set_weights("assistant", {"canary": 0.7}, "another")
        assert verification(decided)["checked"] == 8
        assert len(looks) == 2
        decided.clock.advance(59)
        verification(decided)
        assert len(looks) == 2
        decided.clock.advance(1)
        assert verification(decided)["time"] > first["time"]
        assert len(looks) == 3
