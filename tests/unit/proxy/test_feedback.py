"""Feedback through the data plane against fake transports."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.ids import exchange_id, id_time_us
from gateway.events.schema import FeedbackV1
from gateway.proxy.recorder import Recorder
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.support.plainplane import NOW_US, PlainPlane, answer, request
from tests.unit.proxy.support import FailingLog, meters
from tests.unit.proxy.test_server import code_of, fields_of, head_and_body, status_of

PATH = "/tipstaff/v1/feedback"
EXCHANGE = exchange_id(NOW_US - 5_000_000, b"abcdefgh")


def said(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"exchange_id": EXCHANGE, "metric": "thumbs", "value": 0.5, **changes}


def send(plane: PlainPlane, content: object, headers: str = "") -> bytes:
    plane.send(request(json.dumps(content).encode(), PATH, headers))
    return plane.answer()


def accepted(wire: bytes) -> list[str]:
    assert status_of(wire) == 202, wire
    found: list[str] = json.loads(head_and_body(wire)[1])["accepted"]
    return found


class TestTaking:
    def test_what_is_said_of_an_answer_is_handed_on(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(answer())
        told = fields_of(plane.answer())[b"x-tipstaff-exchange"].decode()
        (identifier,) = accepted(send(plane, said(exchange_id=told)))
        assert plane.bench.records.feedback == [FeedbackV1(identifier, told, "thumbs", 0.5, NOW_US)]
        assert id_time_us(identifier) == NOW_US // 1000 * 1000
        assert plane.bench.records.begun == 1, "feedback is no exchange"

    def test_no_arm_sees_it(self, plane: PlainPlane) -> None:
        send(plane, said())
        assert plane.untouched()

    def test_a_clients_id_counts_within_its_exchange(self, plane: PlainPlane) -> None:
        other = exchange_id(NOW_US, b"ijklmnop")
        first = accepted(send(plane, [said(id="1"), said(exchange_id=other, id="1")]))
        assert first == [f"{EXCHANGE}-1", f"{other}-1"]
        assert accepted(send(plane, said(), "Idempotency-Key: 1\r\n")) == first[:1]

    def test_two_without_an_id_are_two(self, plane: PlainPlane) -> None:
        assert len(set(accepted(send(plane, [said(), said()])))) == 2

    def test_all_or_nothing(self, plane: PlainPlane) -> None:
        wire = send(plane, [said(), said(value=7)])
        assert (status_of(wire), code_of(wire)) == (400, "invalid_body")
        plane.bench.records.full = True
        wire = send(plane, [said(), said()])
        assert (status_of(wire), code_of(wire)) == (503, "feedback_full")
        assert b"retry-after" in fields_of(wire)
        assert plane.bench.records.feedback == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
    def test_other_methods_are_told_so_and_go_nowhere(self, plane: PlainPlane, method: str) -> None:
        plane.send(f"{method} {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wire = plane.answer()
        assert (status_of(wire), fields_of(wire)[b"allow"]) == (405, b"POST")
        assert plane.untouched()

    def test_a_compressed_body_is_refused(self, plane: PlainPlane) -> None:
        assert status_of(send(plane, said(), "Content-Encoding: gzip\r\n")) == 415


class TestBounds:
    def test_a_body_over_64_kib_is_refused_before_it_is_read(self, plane: PlainPlane) -> None:
        plane.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n".encode())
        wire = plane.answer()
        assert (status_of(wire), code_of(wire)) == (413, "body_too_large")
        assert PATH.encode() in wire

    def test_so_is_a_chunked_one(self, plane: PlainPlane) -> None:
        plane.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        plane.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        assert plane.answer() == b""
        plane.send(b"8001\r\n" + b" " * 0x8001 + b"\r\n")
        assert status_of(plane.answer()) == 413

    def test_other_routes_keep_their_own_bound(self, plane: PlainPlane) -> None:
        plane.send(request(b'{"model":"assistant","x":"' + b"x" * 70_000 + b'"}'))
        assert plane.sent_on() != b""

    def test_a_body_that_does_not_come_is_waited_for_as_long_as_others(self, plane: PlainPlane) -> None:
        plane.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{".encode())
        plane.wait(61)
        assert status_of(plane.answer()) == 408

    def test_too_much_is_refused_until_time_has_passed(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, feedback={"per_minute": 60})
        assert len(accepted(send(plane, [said()] * 100))) == 100, "a whole list always fits"
        wire = send(plane, [said()] * 2)
        assert (status_of(wire), code_of(wire), fields_of(wire)[b"retry-after"]) == (429, "too_much_feedback", b"2")
        assert len(accepted(send(plane, said(), "Authorization: Bearer another\r\n"))) == 1
        plane.clock.advance(2.0)
        assert len(accepted(send(plane, [said()] * 2))) == 2
        assert plane.bench.metric("tipstaff_rejected_total", code="too_much_feedback") == 1
        plane.close()


@pytest.fixture
def its_meters(tmp_path: Path) -> Meters:
    return meters(tmp_path)


class TestRecording:
    def events(self, count: int) -> list[FeedbackV1]:
        return [FeedbackV1(f"f{number}", EXCHANGE, "thumbs", 0.5, NOW_US) for number in range(count)]

    def made(self, log: FailingLog, its_meters: Meters) -> Recorder:
        return Recorder(log, its_meters, "strict", 10 * 2048, ManualClock(), stream="feedback")

    def test_it_goes_into_its_own_stream_and_account(self, its_meters: Meters) -> None:
        log = FailingLog()
        its = self.made(log, its_meters)
        assert its.offer(self.events(3))
        its.commit()
        its.tick()
        kept = log.read("feedback", {}, 10)
        assert [entry.event.id for entry in kept.entries] == ["f0", "f1", "f2"]
        assert kept.watermarks["proxy-0"] >= kept.entries[-1].time_us
        assert log.events == [], "none among the exchanges"
        assert (its.ledger.started.value, its.ledger.produced.value) == (3, 3)

    def test_what_does_not_fit_is_not_begun(self, its_meters: Meters) -> None:
        its = self.made(FailingLog(), its_meters)
        assert its.offer(self.events(7))
        assert not its.offer(self.events(4))
        assert its.offer(self.events(3))
        assert (its.ledger.started.value, its.ledger.total_dropped) == (10, 0)

    def test_with_a_full_log_nothing_new_is_taken_and_nothing_taken_is_lost(self, its_meters: Meters) -> None:
        log = FailingLog(room=0)
        its = self.made(log, its_meters)
        assert its.offer(self.events(2))
        its.commit()
        assert not its.offer(self.events(1))
        assert "new feedback is refused" in its.warnings[0]
        log.room = 5
        its.commit()
        assert its.offer(self.events(1))
        its.commit()
        assert len(log.read("feedback", {}, 10).entries) == 3
        assert (its.ledger.on_its_way, its.ledger.total_dropped) == (0, 0)
