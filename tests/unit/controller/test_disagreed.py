"""Exchanges of which people say what the classifiers did not, with every other filter."""

from typing import Any

import pytest

from gateway.controller.exchange_query import Cursor, ExchangeFilter, Finding
from gateway.controller.routers import exchanges
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import entries, upheld, verdict_event
from tests.unit.controller.test_index import every_kind
from tests.unit.controller.test_pipeline import label


@pytest.fixture
def ids(controller: Controller) -> list[str]:
    """Six exchanges, the first three violate `harm`; oldest first."""
    events = [verdict_event(number, upheld("harm") if number < 3 else None) for number in range(6)]
    controller.index.add(entries(events), {})
    return [event.exchange_id for event in events]


def listed(controller: Controller, **wanted: Any) -> list[str]:  # noqa: ANN401 - filters
    found = controller.get("/api/v1/exchanges", params={"disagreed": "true", **wanted})
    return [each["id"] for each in found["exchanges"]]


def test_nobody_has_said_anything(controller: Controller, ids: list[str]) -> None:
    assert listed(controller) == []
    assert len(controller.get("/api/v1/exchanges", params={"disagreed": "false"})["exchanges"]) == len(ids)


def test_the_last_word_counts_and_one_person_is_enough(controller: Controller, ids: list[str]) -> None:
    label(controller, "ann", {ids[0]: False, ids[1]: False, ids[3]: True, ids[4]: False})
    label(controller, "bob", {ids[0]: True, ids[5]: True})
    label(controller, "ann", {ids[1]: True})
    assert listed(controller) == [ids[5], ids[3], ids[0]]


def test_with_other_filters_and_paged(controller: Controller, ids: list[str]) -> None:
    label(controller, "ann", {ids[0]: False, ids[2]: False, ids[3]: True, ids[4]: True})
    assert listed(controller, principle="harm") == [ids[2], ids[0]]
    assert listed(controller, severity="high") == [ids[2], ids[0]]
    assert listed(controller, model="org/solo") == []
    page = controller.get("/api/v1/exchanges", params={"disagreed": "true", "limit": 3})
    assert [each["id"] for each in page["exchanges"]] == [ids[4], ids[3], ids[2]]
    assert listed(controller, limit=3, cursor=page["next"]) == [ids[0]]


def test_many_of_one_model_hide_none_of_another(
    controller: Controller, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "_MOST_DISAGREED", 1)
    solo = verdict_event(9, model="org/solo", time_us=verdict_event(0).time_us - 1)
    controller.index.add(entries([solo]), {})
    label(controller, "ann", {ids[3]: True, ids[4]: True})
    labelled = {"actor": "ann", "labels": [{"exchange_id": solo.exchange_id, "violates": True}]}
    assert controller.call("POST", "/api/v1/models/org/solo/labels", json=labelled).status_code == 200
    assert listed(controller) == listed(controller, model="assistant") == [ids[4]]
    assert listed(controller, model="org/solo") == [solo.exchange_id]


def test_a_purged_exchange_is_not_listed(controller: Controller, ids: list[str]) -> None:
    label(controller, "ann", {ids[0]: False, ids[5]: True})
    controller.index.purge(verdict_event(3).time_us)
    assert listed(controller) == [ids[5]]


@pytest.mark.parametrize("arm", [None, "canary"])
@pytest.mark.parametrize("principle", [None, "harm"])
@pytest.mark.parametrize("finding", [None, "violates", "provocation"])
def test_among_all_it_is_the_same_list(
    controller: Controller, arm: str | None, principle: str | None, finding: Finding | None
) -> None:
    events = every_kind()
    controller.index.add(entries(events), {})
    wanted = ExchangeFilter(model="assistant", arm=arm, principle=principle, finding=finding)
    everything = controller.index.find(wanted, 1000)
    assert everything
    after = Cursor(everything[3].time_us, everything[3].id)
    among = ExchangeFilter("assistant", arm, principle, finding, among=[event.exchange_id for event in events])
    assert controller.index.find(among, 1000) == everything
    assert controller.index.find(among, 1000, after) == everything[4:]
