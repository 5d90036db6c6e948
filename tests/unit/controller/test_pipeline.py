"""What happens to exchanges after they were answered, from the counters of all processes."""

from pathlib import Path
from typing import Any

import pytest

from gateway.controller import index, pipeline
from gateway.controller.kept_for import KeptFor
from gateway.events.ledger import Delivery, Ledger
from gateway.processes import RELAY
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import entries, unread, upheld, verdict_event

LABELS = "/api/v1/models/assistant/labels"


class TestQuantiles:
    BOUNDS = (1.0, 2.0, 4.0)

    def test_straight_within_a_bucket(self) -> None:
        assert pipeline.quantile(self.BOUNDS, [0, 10, 0, 0], 0.5) == 1.5
        assert pipeline.quantile(self.BOUNDS, [5, 5, 0, 0], 0.5) == 1.0
        assert pipeline.quantile(self.BOUNDS, [5, 4, 1, 0], 0.95) == 3.0

    def test_beyond_the_last_bound_nothing_is_known(self) -> None:
        assert pipeline.quantile(self.BOUNDS, [1, 0, 0, 99], 0.95) == 4.0

    def test_of_nothing_there_is_none(self) -> None:
        assert pipeline.quantile(self.BOUNDS, [0, 0, 0, 0], 0.5) is None
        assert pipeline.quantile(self.BOUNDS, [], 0.5) is None


def test_what_is_relayed_stream_by_stream() -> None:
    ledgers = {
        "verdicts": Ledger("verdicts", 12, {}, 12, {RELAY: Delivery(9, 2, 1), "controller": Delivery(12, 0, 0)}),
        "audit": Ledger("audit", 3, {}, 3, {}),
    }
    totals: dict[str, Any] = {metrics.RELAY_LAG.name: {(): [2.5]}}
    found = pipeline.relays(totals, ledgers)  # type: ignore[arg-type] # mypy widens the streams' names
    assert found == [pipeline.Relayed("kafka", "verdicts", 2.5, 9, 2, 1)]


def test_what_a_folder_takes(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert pipeline.used_bytes(tmp_path) == 0
    (tmp_path / "below" / "one").write_bytes(b"x" * 100_000)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert 100_000 <= pipeline.used_bytes(tmp_path) < 200_000


def test_what_is_kept_for_a_while_is_made_anew_for_another_key() -> None:
    clock, made = ManualClock(), iter(range(10))
    kept = KeptFor(60.0, clock, lambda: next(made))
    assert [kept.get("a"), kept.get("a"), kept.get("b")] == [0, 0, 1]
    clock.advance(59.9)
    assert kept.get("b") == 1
    clock.advance(0.1)
    assert kept.get("b") == 2


class TestTheAnswer:
    def test_before_anything_happened(self, controller: Controller) -> None:
        found = controller.get("/api/v1/pipeline")
        assert found["scorer"] == {"processes": 0, "lag_seconds": None, "scored": 0}
        assert (found["evaluators"], found["agreement"], found["relays"], found["not_evaluated"]) == (
            [],
            [],
            [],
            {},
        )
        assert found["storage"]["used_bytes"] > 0
        assert found["storage"]["free_bytes"] > 0

    def test_what_a_scorer_has_counted(self, controller: Controller) -> None:
        file = CounterFile.open(controller.data.counter_file("scorer-0"))
        meters = Meters(file)
        meters.counter(metrics.SCORED, "assistant", "stable").inc(8)
        meters.counter(metrics.SCORED, "assistant", "canary").inc(4)
        meters.counter(metrics.NOT_EVALUATED, "assistant", "stable", "no_text").inc(1)
        meters.counter(metrics.NOT_EVALUATED, "assistant", "canary", "no_text").inc(1)
        meters.gauge(metrics.SCORER_LAG).set(0.5)
        for _ in range(10):
            meters.histogram(metrics.CLASSIFIER_SECONDS, "rules").observe(0.002)
        controller.index.add(entries([verdict_event(1), verdict_event(2, unread())]), {})
        found = controller.get("/api/v1/pipeline")
        assert found["scorer"] == {"processes": 1, "lag_seconds": 0.5, "scored": 12}
        (rules,) = found["evaluators"]
        assert (rules["name"], rules["version"]) == ("rules", "1")
        assert (rules["evaluated"], rules["not_evaluated"]) == (10, {"unread": 2})
        assert rules["p50_seconds"] == pytest.approx(0.00175)
        assert rules["p95_seconds"] == pytest.approx(0.002425)
        assert found["not_evaluated"] == {"no_text": 2}
        file.close()

    def test_an_evaluator_that_nobody_has_timed_is_there(self, controller: Controller) -> None:
        controller.index.add(entries([verdict_event(1)]), {})
        (rules,) = controller.get("/api/v1/pipeline")["evaluators"]
        assert (rules["evaluated"], rules["p50_seconds"], rules["not_evaluated"]) == (0, None, {})

    def test_where_nothing_is_evaluated_not_every_exchange_is_looked_at(
        self, controller: Controller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index, "_RECENT", 3)
        controller.index.add(
            entries([verdict_event(1), verdict_event(2, unread()), verdict_event(3, unread())]), {}
        )
        assert controller.index.evaluators() == {"rules": "1"}
        controller.index.add(entries([verdict_event(4, unread())]), {})
        assert controller.index.evaluators() == {}


def label(controller: Controller, actor: str, violates: dict[str, bool], principle: str = "any") -> None:
    labels = [
        {"exchange_id": identifier, "violates": said, "principle": principle}
        for identifier, said in violates.items()
    ]
    answer = controller.call("POST", LABELS, json={"actor": actor, "labels": labels})
    assert answer.status_code == 200, answer.text


class TestAgreement:
    @pytest.fixture
    def ids(self, controller: Controller) -> list[str]:
        """Six exchanges, the first three flagged."""
        events = [verdict_event(number, upheld("harm") if number < 3 else None) for number in range(6)]
        controller.index.add(entries(events), {})
        return [event.exchange_id for event in events]

    def agreement(self, controller: Controller) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = controller.get("/api/v1/pipeline")["agreement"]
        return found

    def test_the_last_word_of_most_people_against_what_was_flagged(
        self, controller: Controller, ids: list[str]
    ) -> None:
        label(controller, "ann", {ids[0]: True, ids[1]: False, ids[2]: True, ids[3]: True, ids[4]: False})
        label(controller, "ann", {ids[2]: False})  # another word than before
        label(controller, "bob", {ids[0]: True, ids[4]: True})  # as many say yes as no of the fifth
        assert self.agreement(controller) == [
            {"principle": "any", "labelled": 4, "agreed": 1, "missed": 1, "false_alarms": 2}
        ]

    def test_a_new_label_shows_at_once(self, controller: Controller, ids: list[str]) -> None:
        label(controller, "ann", {ids[0]: True})
        assert [each["labelled"] for each in self.agreement(controller)] == [1]
        label(controller, "ann", {ids[5]: False}, principle="harmlessness")
        assert {each["principle"]: each["agreed"] for each in self.agreement(controller)} == {
            "any": 1,
            "harmlessness": 1,
        }
