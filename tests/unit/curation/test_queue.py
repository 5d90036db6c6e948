"""What is left to label, and what the labels of a sample make of what the classifiers flag."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.rollout.correction import ArmLabels, Stratum, assess, true_rate
from tests.unit.controller.conftest import TOKENS, Controller
from tests.unit.controller.support import entries
from tests.unit.curation.test_labels import traffic

URL = "/api/v1/models/assistant/labels"
ALICE, BOB = "token-of-operator", "token-of-auditor"


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path, TOKENS)
    controller.start()
    controller.clock.advance(3600)
    controller.index.add(entries(traffic()), {})
    yield controller
    controller.close()


def asked(its: Controller, method: str, path: str, token: str = ALICE, **more: Any) -> Any:  # noqa: ANN401 - JSON
    answer = its.call(method, f"{URL}{path}", headers={"authorization": f"Bearer {token}"}, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sample(its: Controller, **more: Any) -> Any:  # noqa: ANN401 - JSON
    return asked(its, "POST", "/sample", json={"actor": "alice", "size": 40, **more})


def label(its: Controller, exchange: str, *, violates: bool = True, **more: Any) -> None:  # noqa: ANN401
    one = {"exchange_id": exchange, "violates": violates, **more}
    asked(its, "POST", "", json={"actor": "operator-1", "labels": [one]})


class TestTheQueue:
    def test_it_is_the_sample_in_the_samples_order(self, its: Controller) -> None:
        drawn = sample(its)
        found = asked(its, "GET", "/queue")
        assert (found["draw"], found["principle"], found["actor"]) == (drawn["draw"], "any", "operator-1")
        assert (found["since"], found["until"]) == (drawn["since"], drawn["until"])
        assert (found["size"], found["labelled"], found["left"]) == (40, 0, drawn["exchanges"])

    def test_what_somebody_has_judged_is_left_to_the_others(self, its: Controller) -> None:
        first, second, *others = sample(its)["exchanges"]
        label(its, second)
        label(its, second, violates=False)
        found = asked(its, "GET", "/queue")
        assert (found["labelled"], found["left"]) == (1, [first, *others])
        assert asked(its, "GET", "/queue", BOB)["labelled"] == 0

    def test_another_question_is_another_queue(self, its: Controller) -> None:
        first = sample(its)["exchanges"][0]
        label(its, first, principle="harmlessness")
        assert asked(its, "GET", "/queue")["labelled"] == 0
        assert its.call("GET", f"{URL}/queue?principle=harmlessness", headers=_bearer(ALICE)).status_code == 404

    def test_an_older_sample_can_be_gone_on_with(self, its: Controller) -> None:
        older, newer = sample(its, seed=1), sample(its, seed=2)
        assert asked(its, "GET", "/queue")["left"] == newer["exchanges"]
        assert asked(its, "GET", f"/queue?draw={older['draw']}")["left"] == older["exchanges"]

    def test_there_is_none_without_a_sample_or_a_model(self, its: Controller) -> None:
        assert its.call("GET", f"{URL}/queue", headers=_bearer(ALICE)).status_code == 404
        assert its.call("GET", "/api/v1/models/none/labels/queue", headers=_bearer(ALICE)).status_code == 404


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class TestTheEffect:
    def test_shares_are_of_the_population_and_corrected_once_every_stratum_has_labels(
        self, its: Controller
    ) -> None:
        drawn = sample(its)["exchanges"]
        canary, stable = asked(its, "GET", "/summary")["arms"]
        assert canary == {"arm": "canary", "flagged": pytest.approx(10 / 60), "corrected": None, "labels": 0}
        flagged = {event.exchange_id for event in traffic() if event.verdict.severity is not None}
        for exchange in drawn:
            label(its, exchange, violates=exchange in flagged)
        canary, stable = asked(its, "GET", "/summary")["arms"]
        assert (canary["labels"], stable["labels"]) == (20, 20)
        assert canary["corrected"]["value"] == pytest.approx(10 / 60)
        assert stable["corrected"]["low"] < 20 / 120 < stable["corrected"]["high"]

    def test_it_is_what_rollouts_are_told(self) -> None:
        stable = ArmLabels(Stratum(10_000, 400, 380), Stratum(90_000, 400, 4))
        canary = ArmLabels(Stratum(20_000, 400, 390), Stratum(80_000, 400, 8))
        found = assess(stable, canary, 0.01)
        assert found.canary is not None
        assert true_rate(canary) == found.canary.rate
        assert true_rate(stable) != found.canary.rate

    def test_nothing_is_made_of_nothing(self) -> None:
        some, none = Stratum(100, 10, 1), Stratum(0, 0, 0)
        assert true_rate(ArmLabels(none, none)) is None
        assert true_rate(ArmLabels(Stratum(5, 0, 0), some)) is None
        assert true_rate(ArmLabels(none, some)) is not None, "nothing was flagged, and that is known"


def test_an_exchange_shows_each_ones_last_word(its: Controller) -> None:
    chosen = sample(its)["exchanges"][0]
    label(its, chosen, note="at first")
    label(its, chosen, violates=False, note="on second thoughts")
    answer = its.call("GET", f"/api/v1/exchanges/{chosen}", headers={"authorization": f"Bearer {ALICE}"}).json()
    said = [(each["actor"], each["principle"], each["violates"], each["note"]) for each in answer["labels"]]
    assert said == [("operator-1", "any", False, "on second thoughts")]
