"""The audit stream: what is written before it happens, what is bounded, and what is found again."""

import pytest

from gateway.controller.trail import AuditFilter, AuditTrail
from gateway.events.schema import VerdictV1
from gateway.ports import LogFull
from tests.unit.controller.conftest import Controller, kept_text
from tests.unit.controller.support import entries as logged
from tests.unit.controller.support import upheld, verdict_event

JSON = {"content-type": "application/json"}


def scored(controller: Controller) -> VerdictV1:
    event = verdict_event(1, upheld())
    controller.index.add(logged([event]), {"scorer-0": 1})
    controller.texts.put([kept_text(event.exchange_id)])
    return event


def entries(controller: Controller, **wanted: str) -> list[tuple[str, str, str, str]]:
    found = controller.get("/api/v1/audit", params=wanted)["entries"]
    return [(each["actor"], each["action"], each["subject"], each["outcome"]) for each in found]


def test_whoever_reads_a_text_stands_in_the_stream(guarded: Controller) -> None:
    event = scored(guarded)
    path = f"/api/v1/exchanges/{event.exchange_id}"
    seen = {}
    for role in ("viewer", "auditor", "operator"):
        guarded.clock.advance(1)
        seen[role] = guarded.get(path, headers={"authorization": f"Bearer token-of-{role}"})
    assert seen["viewer"]["text"] is None
    assert [seen[role]["withheld"] for role in seen] == [True, False, False]
    assert seen["auditor"]["text"]["turns"][0]["text"] == "hello [email]"
    token = {"authorization": "Bearer token-of-auditor"}
    found = guarded.get("/api/v1/audit", headers=token, params={"action": "text.read"})["entries"]
    assert [each["actor"] for each in found] == ["operator-1", "auditor-1"]
    assert {each["subject"] for each in found} == {event.exchange_id}


def test_what_cannot_be_written_down_is_not_done(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    event = scored(controller)

    def full(*_: object) -> None:
        raise LogFull("no room")

    monkeypatch.setattr(controller.events, "append", full)
    answer = controller.call("GET", f"/api/v1/exchanges/{event.exchange_id}")
    assert answer.status_code == 503
    assert "hello" not in answer.text
    account = controller.ledgers()["audit"]
    assert (account.balanced, account.in_flight, account.dropped) == (True, 0, {"disk_full": 1})


def test_refused_requests_are_written_by_the_loop_with_who_and_from_where(guarded: Controller) -> None:
    guarded.call("GET", "/api/v1/status", peer="10.0.0.9")
    guarded.clock.advance(1)
    token = {"authorization": "Bearer token-of-viewer"}
    guarded.call("PUT", "/api/v1/models/assistant/weights", peer="10.0.0.9", headers=token, json={})
    guarded.trail.step()
    found = guarded.trail.find(AuditFilter(action="sign_in.failed"), 10)
    assert [(each.actor, each.subject, each.outcome) for each in reversed(found)] == [
        ("", "GET /api/v1/status from 10.0.0.9", "no_token"),
        ("viewer-1", "PUT /api/v1/models/assistant/weights from 10.0.0.9", "role"),
    ]
    assert guarded.ledgers()["audit"].settled


def test_what_strangers_write_is_one_line_and_commands_nothing(controller: Controller) -> None:
    trail = controller.trail
    trail.note(
        "a\x1b[2K", "sign_in.failed", "GET /x\r\n2026  ada  text.read\u2028\x9b31m from 10.0.0.9", "no_token"
    )
    trail.step()
    (found,) = trail.find(AuditFilter(), 1)
    assert all(char.isprintable() for char in found.actor + found.subject)


def test_strangers_do_not_crowd_out_the_known(controller: Controller) -> None:
    for _ in range(300):
        controller.trail.note("", "sign_in.failed", "GET / from 10.0.0.9", "no_token")
    controller.trail.note("bob", "sign_in.failed", "GET /api/v1/audit from 10.0.0.9", "role")
    controller.trail.step()
    assert [each.actor for each in controller.trail.find(AuditFilter(actor="bob"), 9)] == ["bob"]


def test_a_flood_of_wrong_tokens_is_counted_not_written(controller: Controller) -> None:
    trail: AuditTrail = controller.trail
    for _ in range(100):
        trail.note("", "sign_in.failed", "GET / from 10.0.0.9", "wrong_token")
    trail.step()
    assert len(trail.find(AuditFilter(), 1000)) == 60
    controller.clock.advance(61)
    trail.step()
    assert trail.find(AuditFilter(), 1)[0].subject == "40 more requests"


def test_it_is_paged_and_filtered_newest_first(controller: Controller) -> None:
    for number in range(5):
        controller.clock.advance(1)
        controller.trail.tell("ada" if number % 2 else "bob", "labels.added", f"m{number}")
    first = controller.get("/api/v1/audit", params={"limit": 2})
    assert [each["subject"] for each in first["entries"]] == ["m4", "m3"]
    then = controller.get("/api/v1/audit", params={"limit": 2, "cursor": first["next"]})
    assert [each["subject"] for each in then["entries"]] == ["m2", "m1"]
    last = controller.get("/api/v1/audit", params={"cursor": then["next"]})
    assert ([each["subject"] for each in last["entries"]], last["next"]) == (["m0"], None)
    assert [each[2] for each in entries(controller, actor="ada")] == ["m3", "m1"]
    assert entries(controller, until=first["entries"][-1]["time"], actor="ada") == [
        ("ada", "labels.added", "m1", "done")
    ]
    assert controller.call("GET", "/api/v1/audit", params={"cursor": "x"}).status_code == 422
    assert controller.call("GET", "/api/v1/audit", params={"since": "2027"}).status_code == 422


def test_what_an_operator_does_carries_the_name_of_the_token(guarded: Controller) -> None:
    token = {"authorization": "Bearer token-of-operator"}
    body = {"weights": {"canary": 5}, "reason": "a look"}
    answer = guarded.call("PUT", "/api/v1/models/assistant/weights", headers=token, json=body)
    assert answer.status_code == 200, answer.text
    decisions = guarded.get("/api/v1/decisions", headers=token)["decisions"]
    assert decisions[-1]["actor"] == "operator-1"
    assert decisions[-1]["decided_by"] == "operator"
