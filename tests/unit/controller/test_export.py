"""Exchanges as a file of JSON lines."""

import json
from typing import Any

import pytest

from gateway.controller.routers import exchange_export
from gateway.controller.sqlite_file import QueryTooSlow
from tests.unit.controller.conftest import Controller, kept_text
from tests.unit.controller.support import entries, unread, upheld, verdict_event

URL = "/api/v1/exchanges/export"
AS = {"operator": "Bearer s3cret", "viewer": "Bearer token-of-viewer", "auditor": "Bearer token-of-auditor"}


@pytest.fixture
def its(guarded: Controller) -> Controller:
    """1 to 9: the odd ones violate `harm`, of the canary from 6 on; 9 was not evaluated. Two have their text."""
    events = [
        verdict_event(number, upheld("harm") if number % 2 else upheld(), arm="canary" if number > 5 else "stable")
        for number in range(1, 9)
    ]
    guarded.index.add(entries([*events, verdict_event(9, unread())]), {})
    guarded.texts.put([kept_text(events[place].exchange_id) for place in (0, 6)])
    return guarded


def exported(its: Controller, role: str = "operator", **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    answer = its.call("GET", URL, params=query, headers={"authorization": AS[role]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="exchanges.jsonl"'
    return [json.loads(line) for line in answer.text.splitlines()]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    ids = [verdict_event(number).exchange_id for number in range(10)]
    return [ids.index(each["id"]) for each in found]


def test_violations_are_what_is_exported_the_newest_first(its: Controller) -> None:
    assert numbers(exported(its)) == [7, 5, 3, 1]
    assert numbers(exported(its, arm="canary")) == [7]
    assert numbers(exported(its, limit=2)) == [7, 5]
    assert numbers(exported(its, finding="not_evaluated")) == [9]
    assert numbers(exported(its, finding="any")) == list(range(9, 0, -1))
    assert numbers(exported(its, principle="honesty")) == []


def test_pages_are_no_bound(its: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_export, "_PAGE", 2)
    assert numbers(exported(its, finding="any")) == list(range(9, 0, -1))
    assert numbers(exported(its, finding="any", limit=5)) == [9, 8, 7, 6, 5]
    assert numbers(exported(its, finding="any", limit=4)) == [9, 8, 7, 6]


def test_each_line_is_what_one_exchange_answers(its: Controller) -> None:
    for line in exported(its):
        whole = its.get(f"/api/v1/exchanges/{line['id']}", headers={"authorization": AS["operator"]})
        assert line == whole
    assert [line["text"] is None for line in exported(its)] == [False, True, True, False]


def test_texts_are_withheld_from_viewers(its: Controller) -> None:
    found = exported(its, "viewer")
    assert [line["text"] for line in found] == [None] * 4
    assert [line["withheld"] for line in found] == [True, False, False, True]
    assert [line["withheld"] for line in exported(its, "auditor")] == [False] * 4


def test_who_exported_what_is_written_down(its: Controller) -> None:
    exported(its, "auditor", arm="canary", severity="high", limit=7)
    its.clock.advance(1)
    exported(its)
    query = {"action": "exchanges.exported"}
    newest, oldest = its.get("/api/v1/audit", params=query, headers={"authorization": AS["operator"]})["entries"]
    assert (oldest["actor"], oldest["subject"]) == ("auditor-1", "arm=canary&severity=high")
    assert oldest["outcome"] == "up to 7"
    assert newest["subject"] == "no filter"


def test_what_fails_at_once_is_no_half_file(its: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise QueryTooSlow("no answer")

    monkeypatch.setattr(its.index, "find", slow)
    assert its.call("GET", URL, headers={"authorization": AS["operator"]}).status_code == 503


@pytest.mark.parametrize("query", ["limit=0", "limit=100001", "finding=upholds", "cursor=x", "color=red"])
def test_a_query_that_cannot_be(its: Controller, query: str) -> None:
    assert its.call("GET", f"{URL}?{query}", headers={"authorization": AS["operator"]}).status_code == 422


def test_a_filter_that_contradicts_itself(its: Controller) -> None:
    query = f"{URL}?principle=harm&finding=not_evaluated"
    assert its.call("GET", query, headers={"authorization": AS["operator"]}).status_code == 422
