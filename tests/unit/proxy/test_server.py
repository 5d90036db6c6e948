"""The data plane against fake transports: what goes in on one side, what comes out on the other."""

import json
import re
from pathlib import Path

import pytest

from gateway.core import errors
from gateway.core.exchange import Reason, Route
from gateway.proxy.http1 import HeaderLines, read_answer, read_request
from gateway.proxy.pins import Pin
from tests.support.dataplane import ADMIN_TOKEN, VIEWER_TOKEN
from tests.support.plainplane import PlainPlane, answer, request

BODY = b'{"model":"assistant","messages":[{"role":"user","content":"hi"}]}'


def head_and_body(wire: bytes) -> tuple[bytes, bytes]:
    head, _, body = wire.partition(b"\r\n\r\n")
    return head, body


def status_of(wire: bytes) -> int:
    return read_answer(wire.partition(b"\r\n\r\n")[0], HeaderLines.of_answers()).status


def code_of(wire: bytes) -> str:
    return str(json.loads(head_and_body(wire)[1])["error"]["code"])


def fields_of(wire: bytes) -> dict[bytes, bytes]:
    return read_answer(wire.partition(b"\r\n\r\n")[0], HeaderLines.of_answers()).fields


class TestThePlainWay:
    def test_bodies_pass_verbatim(self, plane: PlainPlane) -> None:
        odd = b'{ "model" : "assistant",\n"x": 1.0e0, "user":"\\u00e9" }'
        plane.send(request(odd))
        head, body = head_and_body(plane.sent_on())
        assert body == odd
        assert b"content-length: %d" % len(odd) in head
        plane.reply(answer(b"\x00\xff not even JSON", "X-Odd:  Value \r\n"))
        head, body = head_and_body(plane.answer())
        assert body == b"\x00\xff not even JSON"
        assert b"X-Odd:  Value " in head

    def test_headers_that_are_made_and_kept(self, plane: PlainPlane) -> None:
        plane.send(request())
        fields = read_request(plane.sent_on().partition(b"\r\n\r\n")[0], HeaderLines.of_requests()).fields
        assert fields[b"host"] == b"stable.test:8000"
        assert fields[b"x-forwarded-for"] == b"192.0.2.7"
        plane.reply(answer())
        exchange = fields_of(plane.answer())[b"x-tipstaff-exchange"]
        assert fields[b"x-request-id"] == exchange
        assert fields[b"traceparent"] == b"00-%b-%b-00" % (exchange, exchange[16:])

        mine = "X-Request-Id: mine\r\nTraceparent: 00-aa-bb-01\r\nX-Forwarded-For: 198.51.100.1\r\n"
        plane.send(request(headers=mine))
        head = plane.sent_on().partition(b"\r\n\r\n")[0]
        fields = read_request(head, HeaderLines.of_requests()).fields
        assert fields[b"x-request-id"] == b"mine"
        assert fields[b"traceparent"] == b"00-aa-bb-01"
        assert fields[b"x-forwarded-for"] == b"198.51.100.1, 192.0.2.7"
        assert head.lower().count(b"x-request-id") == head.lower().count(b"traceparent") == 1

    def test_our_headers_go_neither_way(self, plane: PlainPlane) -> None:
        plane.send(request(headers="x-tipstaff-exchange: forged\r\nX-Tipstaff-Anything: 1\r\n"))
        assert b"tipstaff" not in plane.sent_on().lower()
        plane.reply(answer(headers="x-tipstaff-arm: forged\r\nX-Tipstaff-Exchange: forged\r\n"))
        got = plane.answer()
        assert b"forged" not in got
        assert got.count(b"x-tipstaff-") == 1

    def test_the_arm_is_named_only_when_asked(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, expose_arm=True)
        plane.send(request())
        plane.reply(answer())
        assert b"\r\nx-tipstaff-arm: stable\r\n" in plane.answer()
        plane.close()

    def test_hop_by_hop_headers_stay_on_their_hop(self, plane: PlainPlane) -> None:
        plane.send(request(headers="Connection: keep-alive, x-mine\r\nX-Mine: 1\r\nTE: trailers\r\nX-Kept: 1\r\n"))
        head = plane.sent_on().lower()
        assert b"x-kept" in head
        assert b"x-mine" not in head
        assert b"\r\nte:" not in head
        plane.reply(answer(headers="Connection: x-theirs\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 2\r\n"))
        head = plane.answer().lower()
        assert b"x-kept: 2" in head
        assert b"theirs" not in head
        assert b"keep-alive" not in head

    def test_one_record_and_one_count_for_each_exchange(self, plane: PlainPlane) -> None:
        plane.send(request(headers="User-Agent: test\r\nAuthorization: Bearer secret\r\nCookie: secret\r\n"))
        plane.clock.advance(0.25)
        plane.reply(answer())
        (record,) = plane.bench.records.records
        assert plane.bench.records.begun == 1
        assert (record.status, record.reason, record.route) == (200, Reason.COMPLETE, Route.CHAT)
        assert record.id.encode() == fields_of(plane.answer())[b"x-tipstaff-exchange"]
        assert record.request.kept == BODY
        assert record.response.kept == b'{"ok":true}'
        assert record.timing.total_seconds == pytest.approx(0.25)
        assert record.assignment.assigned == record.assignment.served == "stable"
        assert record.headers == {"user-agent": "test"}
        assert b"secret" not in repr(record).encode()
        assert plane.bench.metric("tipstaff_requests_total", arm="stable", code="200", reason="complete") == 1
        assert plane.bench.metric("tipstaff_in_flight") == 0

    def test_an_arm_with_its_own_key_never_sees_the_clients(self, plane: PlainPlane) -> None:
        plane.bench.arms["assistant", "stable"].endpoints[0].authorization = b"Bearer ours"
        plane.send(request(headers="Authorization: Bearer theirs\r\nX-Api-Key: theirs\r\nX-Kept: 1\r\n"))
        sent = plane.sent_on()
        assert b"theirs" not in sent
        assert b"authorization: Bearer ours\r\n" in sent
        assert b"X-Kept: 1\r\n" in sent

    def test_without_one_the_clients_key_passes(self, plane: PlainPlane) -> None:
        plane.send(request(headers="Authorization: Bearer theirs\r\n"))
        assert b"Authorization: Bearer theirs\r\n" in plane.sent_on()

    def test_the_models_name_alone_is_replaced(self, plane: PlainPlane) -> None:
        plane.bench.arms["assistant", "stable"].served_name = "org/tiny"
        plane.send(request(b'{"x":"assistant",  "model": "assistant","model_x":"assistant"}'))
        head, body = head_and_body(plane.sent_on())
        assert body == b'{"x":"assistant",  "model": "org/tiny","model_x":"assistant"}'
        assert b"content-length: %d" % len(body) in head
        plane.reply(answer())
        assert (
            plane.bench.records.records[0].request.kept
            == b'{"x":"assistant",  "model": "assistant","model_x":"assistant"}'
        )


class TestConnections:
    def test_two_requests_in_one_segment_are_answered_in_order(self, plane: PlainPlane) -> None:
        plane.send(request(BODY.replace(b"hi", b"one")) + request(BODY.replace(b"hi", b"two")))
        assert b"one" in plane.sent_on()
        plane.reply(answer(b"1"))
        assert plane.answer().endswith(b"\r\n\r\n1")
        assert b"two" in plane.sent_on()
        plane.reply(answer(b"2"))
        assert plane.answer().endswith(b"\r\n\r\n2")

    def test_a_pipelined_request_waits_for_the_answer_before_it(self, plane: PlainPlane) -> None:
        plane.send(request() + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert plane.answer() == b""
        plane.reply(answer())
        got = plane.answer()
        assert got.index(b'{"ok":true}') < got.index(b'{"status":"ok"}')

    def test_pipelined_input_is_bounded(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.send(b"G" * (70 << 10))
        assert not plane.transport.reading
        plane.reply(answer())
        assert plane.transport.reading

    def test_many_pipelined_requests_do_not_recurse(self, plane: PlainPlane) -> None:
        plane.send(request() + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
        plane.reply(answer())
        assert plane.answer().count(b"HTTP/1.1 200") == 11

    def test_keep_alive_is_the_clients_choice(self, plane: PlainPlane) -> None:
        plane.send(request(headers="Connection: close\r\n"))
        plane.reply(answer())
        assert b"\r\nconnection: close\r\n" in plane.answer()
        assert plane.transport.closed

    def test_an_http_1_0_client_is_told_that_the_connection_stays(self, plane: PlainPlane) -> None:
        plane.send(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"\r\nconnection: keep-alive\r\n" in plane.answer()
        assert not plane.transport.closed
        plane.send(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in plane.answer()
        assert plane.transport.closed

    def test_an_http_1_0_client_gets_no_chunks(self, plane: PlainPlane) -> None:
        plane.send(request().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"))
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        plane.reply(b"0\r\n\r\n")
        head, body = head_and_body(plane.answer())
        assert body == b"abc"
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert plane.transport.closed

    def test_one_empty_line_before_a_request_is_tolerated(self, plane: PlainPlane) -> None:
        plane.send(b"\r")
        plane.send(b"\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert plane.answer().count(b" 200 OK") == 2
        plane.send(b"\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(plane.answer()) == 400

    def test_over_the_limit_a_connection_gets_an_answer_and_ends(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"connections": 1})
        _, transport = plane.connect()
        got = transport.taken()
        assert status_of(got) == 503
        assert code_of(got) == "too_many_connections"
        assert b"x-tipstaff-exchange: " in got
        assert transport.eof
        plane.close()


class TestBodies:
    def test_a_chunked_body_goes_on_with_its_length(self, plane: PlainPlane) -> None:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        plane.send(head + b"%x\r\n%b\r\n" % (len(BODY[:9]), BODY[:9]))
        assert plane.untouched()
        plane.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY[9:]), BODY[9:]))
        sent, body = head_and_body(plane.sent_on())
        assert body == BODY
        assert b"content-length: %d" % len(BODY) in sent
        assert b"transfer-encoding" not in sent.lower()

    def test_expect_gets_its_interim_answer_before_the_body(self, plane: PlainPlane) -> None:
        wire = request(headers="Expect: 100-continue\r\n")
        head, body = wire[: -len(BODY)], wire[-len(BODY) :]
        plane.send(head)
        assert plane.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
        plane.send(body)
        assert b"expect" not in plane.sent_on().lower()
        plane.reply(answer())
        assert status_of(plane.answer()) == 200

    def test_expect_with_a_body_that_is_too_large_is_refused_instead(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"body_bytes": 10})
        plane.send(request(headers="Expect: 100-continue\r\n")[: -len(BODY)])
        assert status_of(plane.answer()) == 413
        assert plane.transport.eof
        plane.close()

    def test_a_body_over_the_limit(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"body_bytes": 10})
        plane.send(
            b'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"mode\r\n'
        )
        assert plane.answer() == b""
        plane.send(b'6\r\nl":"as\r\n')
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (413, "body_too_large")
        assert b"connection: close" in got
        assert plane.services.buffered.taken == 0
        plane.close()

    def test_all_bodies_together_are_bounded(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"buffered_bytes": 100})
        plane.send(request())
        assert plane.services.buffered.taken == len(BODY)
        other, transport = plane.connect()
        other.data_received(request())
        got = transport.taken()
        assert (status_of(got), code_of(got)) == (503, "buffers_full")
        plane.reply(answer())
        assert plane.services.buffered.taken == 0
        plane.close()

    def test_a_compressed_body_hides_the_model(self, plane: PlainPlane) -> None:
        plane.send(request(headers="Content-Encoding: gzip\r\n"))
        assert status_of(plane.answer()) == 415
        assert plane.untouched()


class TestRefusals:
    @pytest.mark.parametrize(
        "wire",
        [
            b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET /livez HTTP/1.1\r\n\r\n",
            b"GET /livez HTTP/1.1\nHost: a\n\n",
            b"GET /livez HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ],
    )
    def test_malformed_is_400_and_the_end(self, plane: PlainPlane, wire: bytes) -> None:
        plane.send(wire + request())
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (400, "malformed_request")
        assert b"connection: close" in got
        assert b"x-tipstaff-exchange: " in got
        assert plane.transport.eof
        plane.send(request())
        assert plane.untouched()
        assert plane.answer() == b""
        assert plane.bench.metric("tipstaff_requests_total", code="400", reason="client_malformed") == 1

    def test_upgrade_with_a_body_never_becomes_a_second_request(self, plane: PlainPlane) -> None:
        smuggled = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        plane.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled
        )
        got = plane.answer()
        assert status_of(got) == 501
        assert got.count(b"HTTP/1.1 ") == 1 + got.count(b"HTTP/1.1 requests")
        assert plane.transport.eof

    def test_h2c_is_stripped_and_the_request_served(self, plane: PlainPlane) -> None:
        plane.send(
            request(headers="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n")
        )
        sent = plane.sent_on()
        assert sent.endswith(BODY)
        assert b"upgrade" not in sent.lower()
        assert b"http2-settings" not in sent.lower()
        plane.reply(answer())
        assert status_of(plane.answer()) == 200

    def test_connect_is_501_and_the_end(self, plane: PlainPlane) -> None:
        plane.send(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n" + request())
        got = plane.answer()
        assert status_of(got) == 501
        assert plane.untouched()

    def test_a_head_without_end_is_431_and_a_target_without_end_414(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"header_bytes": 400})
        plane.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 500)
        assert status_of(plane.answer()) == 431
        other, transport = plane.connect()
        other.data_received(b"GET /" + b"y" * 500)
        assert status_of(transport.taken()) == 414
        other, transport = plane.connect()
        other.data_received(b"GET /" + b"y" * 150 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(transport.taken()) == 414
        plane.close()

    def test_unknown_model_names_those_there_are(self, plane: PlainPlane) -> None:
        plane.send(request(b'{"model":"other"}'))
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (404, "model_not_found")
        assert b"assistant" in got
        assert not plane.transport.closed

    def test_messages_speaks_anthropics_dialect(self, plane: PlainPlane) -> None:
        plane.send(request(b'{"model":"other"}', path="/v1/messages"))
        error = json.loads(head_and_body(plane.answer())[1])
        assert error["type"] == "error"
        assert error["error"]["type"] == "not_found_error"

    @pytest.mark.parametrize("path", ["/metrics", "/sleep", "/v1/load_lora_adapter", "/v1/../sleep", "//sleep"])
    def test_routes_that_operate_the_engine_never_pass(self, plane: PlainPlane, path: str) -> None:
        plane.send(request(path=path))
        assert status_of(plane.answer()) == 404
        assert plane.untouched()

    @pytest.mark.parametrize("path", ["/nothing", "//v1/models", "/v1/../metrics", "/v1/chat%2fcompletions"])
    def test_a_refusal_before_the_body_closes_and_says_so_after_it_goes_on(
        self, plane: PlainPlane, path: str
    ) -> None:
        plane.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert fields_of(plane.answer()).get(b"connection") is None
        plane.send(request(path=path) + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        refused, _, next_one = plane.answer().partition(b"}}")
        assert (status_of(refused), fields_of(refused).get(b"connection")) == (404, None)
        assert status_of(next_one) == 200
        plane.send(request(path=path)[:-1])
        assert fields_of(plane.answer())[b"connection"] == b"close"
        assert plane.transport.eof

    def test_a_full_log_refuses_what_it_would_have_to_record(self, plane: PlainPlane) -> None:
        plane.bench.records.full = True
        plane.send(request())
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (503, "log_full")
        plane.send(request(b'{"model":"assistant","input":"x"}', path="/v1/embeddings"))
        assert plane.sent_on().startswith(b"POST /v1/embeddings ")


class TestOwnAnswers:
    def test_health_readiness_and_models(self, plane: PlainPlane) -> None:
        for path in ("/livez", "/readyz", "/health", "/v1/models", "/v1/models/assistant"):
            plane.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            got = plane.answer()
            assert status_of(got) == 200
            assert b"x-tipstaff-exchange: " in got
        plane.bench.ready = False
        plane.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert re.findall(rb"HTTP/1.1 (\d+) ", plane.answer()) == [b"503", b"200"]
        assert not plane.bench.records.records

    def test_head_gets_the_head_alone(self, plane: PlainPlane) -> None:
        plane.send(b"HEAD /v1/models HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        got = plane.answer()
        assert got.count(b"HTTP/1.1 200 OK") == 2
        assert got.index(b"\r\n\r\nHTTP/1.1 200 OK") > 0


class TestAnswers:
    def test_chunks_pass_one_by_one_as_they_come(self, plane: PlainPlane) -> None:
        plane.send(request(BODY[:-1] + b',"stream":true}'))
        plane.reply(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        assert plane.answer().endswith(b"\r\n\r\n")
        for piece in (b"data: 1\n\n", b"data: 2\n\n"):
            plane.reply(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert plane.answer() == b"%x\r\n%b\r\n" % (len(piece), piece)
        plane.reply(b"4\r\nab")
        assert plane.answer() == b"2\r\nab\r\n"
        plane.reply(b"cd\r\n0\r\n\r\n")
        assert plane.answer() == b"2\r\ncd\r\n0\r\n\r\n"
        (record,) = plane.bench.records.records
        assert record.streamed
        assert record.chunks == 4
        assert record.response.kept == b"data: 1\n\ndata: 2\n\nabcd"

    def test_a_head_is_not_held_back_for_its_body(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n")
        assert plane.answer().endswith(b"\r\n\r\n")
        plane.reply(b"a")
        assert plane.answer() == b"a"

    def test_a_head_with_the_beginning_of_a_chunk_is_not_held_back(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5")
        assert plane.answer().endswith(b"\r\n\r\n")

    def test_what_ends_with_the_connection_becomes_chunks(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\n\r\nabc")
        plane.hang_up()
        head, body = head_and_body(plane.answer())
        assert b"transfer-encoding: chunked" in head
        assert body == b"3\r\nabc\r\n0\r\n\r\n"
        assert not plane.transport.is_closing()
        assert plane.bench.records.records[0].reason is Reason.COMPLETE

    def test_trailers_pass(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(
            b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nx-tipstaff-x: 2\r\n\r\n"
        )
        assert plane.answer().endswith(b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n")

    def test_interim_answers(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        assert plane.answer() == b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        plane.reply(answer())
        assert status_of(plane.answer()) == 200

    def test_an_answer_to_head_has_no_body_whatever_its_head_says(self, plane: PlainPlane) -> None:
        plane.bench.pins.put("resp_1", Pin("assistant", "stable", "http://stable.test:8000"))
        plane.send(b"HEAD /v1/responses/resp_1 HTTP/1.1\r\nHost: a\r\n\r\n" + request())
        assert plane.sent_on().startswith(b"HEAD /v1/responses/resp_1 HTTP/1.1\r\n")
        plane.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
        assert b"content-length: 500" in plane.answer()
        assert plane.sent_on().endswith(BODY)
        plane.reply(answer(b"next"))
        assert plane.answer().endswith(b"next")

    @pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
    def test_an_answer_without_a_body(self, plane: PlainPlane, status: bytes) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 " + status + b"\r\n\r\n")
        assert plane.answer().endswith(b"\r\n\r\n")
        assert plane.bench.records.records[0].reason is Reason.COMPLETE

    @pytest.mark.parametrize(
        "wire",
        [
            b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\nX: y\n\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        ],
    )
    def test_a_malformed_answer_is_502(self, plane: PlainPlane, wire: bytes) -> None:
        plane.send(request())
        plane.reply(wire)
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (502, "upstream_malformed")
        assert plane.upstreams["stable"].aborted
        assert plane.bench.records.records[0].reason is Reason.UPSTREAM_MALFORMED
        assert plane.bench.metric("tipstaff_upstream_errors_total", kind="malformed") == 1

    def test_malformed_after_the_head_ends_the_connection_uncleanly(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n")
        assert not plane.answer().endswith(b"0\r\n\r\n")
        assert plane.transport.aborted
        assert plane.bench.records.records[0].reason is Reason.UPSTREAM_MALFORMED

    def test_bytes_that_nobody_asked_for_end_the_connection(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(answer() + b"HTTP/1.1 200 OK\r\n\r\n")
        assert status_of(plane.answer()) == 200
        assert plane.upstreams["stable"].aborted
        plane.supply("stable")
        plane.reply(b"HTTP/1.1 200 OK\r\n\r\n")
        assert plane.upstreams["stable"].aborted

    def test_connection_close_is_obeyed(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(answer(headers="Connection: close\r\n"))
        assert b"connection: close" not in plane.answer().lower()
        assert plane.upstreams["stable"].aborted


class TestEnds:
    @pytest.mark.parametrize(
        ("last", "reason"),
        [
            (b"data: [DONE]\n\n", Reason.COMPLETE),
            (b'event: message_stop\ndata: {"type":"message_stop"}\n\n', Reason.COMPLETE),
            (b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n', Reason.CLIENT_GONE),
            (b"data: [DO", Reason.CLIENT_GONE),
        ],
    )
    def test_a_client_that_leaves_at_the_last_event_had_the_whole_answer(
        self, plane: PlainPlane, last: bytes, reason: Reason
    ) -> None:
        plane.send(request())
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        plane.reply(head + b"%x\r\n%b\r\n" % (len(last), last))
        plane.client.eof_received()
        assert plane.bench.records.records[-1].reason is reason

    def test_a_client_that_leaves_ends_the_request_at_once(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.client.eof_received()
        assert plane.upstreams["stable"].aborted
        plane.client.connection_lost(None)
        (record,) = plane.bench.records.records
        assert (record.reason, record.status) == (Reason.CLIENT_GONE, 499)
        assert plane.bench.arms["assistant", "stable"].endpoints[0].in_flight == 0
        assert plane.bench.metric("tipstaff_upstream_errors_total") == 0
        assert plane.bench.metric("tipstaff_connections") == 0

    def test_also_with_requests_waiting_behind(self, plane: PlainPlane) -> None:
        plane.send(request() + request())
        plane.client.eof_received()
        assert plane.upstreams["stable"].aborted
        assert plane.bench.records.begun == 1

    def test_a_client_that_leaves_in_its_own_body_has_cost_no_one(self, plane: PlainPlane) -> None:
        plane.send(request()[:-5])
        plane.client.connection_lost(ConnectionResetError())
        assert plane.untouched()
        assert plane.services.buffered.taken == 0
        assert plane.bench.metric("tipstaff_requests_total", reason="client_gone") == 1

    def test_half_an_answer_is_never_taken_for_a_whole_one(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nhalf")
        plane.hang_up()
        assert plane.transport.aborted
        assert plane.bench.records.records[0].reason is Reason.UPSTREAM_RESET
        assert plane.bench.records.records[0].status == 200
        assert plane.bench.metric("tipstaff_upstream_errors_total", kind="reset") == 1

    def test_a_fresh_connection_that_dies_is_not_tried_again(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.hang_up(reset=True)
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (502, "upstream_reset")

    def test_the_end_comes_once_whoever_calls_for_it(self, plane: PlainPlane) -> None:
        plane.send(request())
        (exchange,) = plane.services.exchanges
        for reason in (Reason.DRAIN, Reason.COMPLETE, Reason.CLIENT_GONE):
            exchange.finish(reason)
        assert [record.reason for record in plane.bench.records.records] == [Reason.DRAIN]
        assert plane.bench.metric("tipstaff_requests_total") == 1
        assert plane.bench.metric("tipstaff_in_flight") == 0

    def test_a_drain_cuts_off_what_is_left_and_says_so_where_it_still_can(self, plane: PlainPlane) -> None:
        plane.send(request()[:-5])
        plane.client.leave()
        plane.client.cut_off(errors.draining())
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (503, "draining")
        assert b"connection: close" in got

    def test_a_record_is_cut_at_its_bound(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path, limits={"record_bytes": 5})
        plane.send(request())
        plane.reply(answer(b"0123456789"))
        assert plane.answer().endswith(b"0123456789")
        (record,) = plane.bench.records.records
        assert (record.response.kept, record.response.size, record.response.truncated) == (b"01234", 10, True)
        assert (record.request.kept, record.request.truncated) == (BODY[:5], True)
        plane.close()


class TestFlow:
    def test_a_slow_client_pauses_the_arm(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        plane.client.pause_writing()
        assert not plane.upstreams["stable"].reading
        plane.client.resume_writing()
        assert plane.upstreams["stable"].reading

    def test_an_answer_that_ends_while_paused_leaves_a_connection_that_reads(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        plane.client.pause_writing()
        plane.reply(b"cd")
        assert plane.upstreams["stable"].reading
        plane.send(request())
        assert plane.sent_on().count(b"POST") == 1, "no new request for a client that does not take its answers"
        plane.client.resume_writing()
        assert plane.sent_on().count(b"POST") == 1


class TestDeadlines:
    def test_a_head_that_does_not_come(self, plane: PlainPlane) -> None:
        plane.send(b"GET /livez HTTP/1.1\r\n")
        plane.wait(9)
        assert plane.answer() == b""
        plane.wait(1.5)
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (408, "request_timeout")

    def test_a_body_that_stops_coming(self, plane: PlainPlane) -> None:
        plane.send(request()[:-5])
        plane.wait(50)
        plane.send(b"x")
        plane.wait(50)
        assert plane.answer() == b""
        plane.wait(15)
        assert status_of(plane.answer()) == 408
        assert plane.bench.metric("tipstaff_requests_total", reason="client_slow") == 1

    def test_an_idle_connection_ends_without_a_word(self, plane: PlainPlane) -> None:
        plane.wait(74)
        assert not plane.transport.closed
        plane.wait(2)
        assert plane.transport.closed
        assert plane.answer() == b""

    def test_an_arm_that_does_not_answer(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.wait(299)
        assert plane.answer() == b""
        plane.wait(2)
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (504, "upstream_timeout")
        assert plane.upstreams["stable"].aborted
        assert plane.bench.records.records[0].reason is Reason.UPSTREAM_TIMEOUT
        assert plane.bench.metric("tipstaff_upstream_errors_total", kind="timeout") == 1

    def test_an_answer_that_stops(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        plane.wait(200)  # the first byte of the body may take as long as the first byte of all
        for _ in range(3):
            plane.reply(b"1\r\na\r\n")
            plane.wait(50)
        assert not plane.transport.aborted
        plane.wait(30)
        plane.wait(31)
        assert plane.transport.aborted
        assert plane.bench.records.records[0].reason is Reason.UPSTREAM_TIMEOUT

    def test_the_whole_has_a_deadline_and_it_is_not_the_arms_fault(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(60):
            plane.reply(b"1\r\na\r\n")
            plane.wait(30.1)
        assert plane.transport.aborted
        assert plane.bench.metric("tipstaff_upstream_errors_total") == 0

    def test_a_client_that_takes_nothing_is_let_go_and_not_the_arms_fault(self, plane: PlainPlane) -> None:
        plane.send(request())
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        plane.client.pause_writing()
        plane.transport.unsent = 70_000
        plane.wait(1)
        plane.wait(50)
        plane.transport.unsent = 60_000
        plane.wait(50)
        assert not plane.transport.aborted
        plane.wait(61)
        assert plane.transport.aborted
        assert plane.bench.records.records[0].reason is Reason.CLIENT_SLOW
        assert plane.bench.metric("tipstaff_upstream_errors_total") == 0

    def test_after_a_refusal_the_rest_is_read_for_a_while_for_nobody(self, plane: PlainPlane) -> None:
        plane.send(b"nonsense\r\n\r\n")
        plane.send(b"x" * 1000)
        assert not plane.transport.is_closing()
        plane.wait(2.5)
        assert plane.transport.aborted

    def test_idle_connections_to_arms_are_closed_in_time(self, plane: PlainPlane) -> None:
        plane.wait(50)
        assert not plane.upstreams["stable"].aborted
        plane.wait(6)
        assert plane.upstreams["stable"].aborted


class TestSteering:
    def test_the_weight_decides_and_the_unit_stays(self, plane: PlainPlane) -> None:
        plane.bench.weigh("assistant", {"canary": 0.5})
        arms: dict[str, set[str]] = {}
        for turn in range(2):
            for user in range(20):
                plane.send(request(headers=f"X-User-Id: user-{user}\r\n"))
                arm = "canary" if plane.upstreams["canary"].written else "stable"
                plane.sent_on(arm)
                plane.reply(answer(), arm)
                arms.setdefault(f"user-{user}", set()).add(arm)
                assert turn == 0 or len(arms[f"user-{user}"]) == 1
        assert set.union(*arms.values()) == {"stable", "canary"}
        assert plane.bench.metric("tipstaff_units_total", source="header:x-user-id") == 40

    def test_sources_in_their_order(self, plane: PlainPlane) -> None:
        for body, headers, kind, source in (
            (b'{"model":"assistant","user":"u","safety_identifier":"s"}', "", "user", "body:safety_identifier"),
            (b'{"model":"assistant","user":42}', "", "user", "body:user"),
            (b'{"model":"assistant","user":"u"}', "X-User-Id: x\r\n", "user", "header:x-user-id"),
            (b'{"model":"assistant"}', "X-Session-Id: x\r\n", "conversation", "header:x-session-id"),
            (BODY, "", "conversation", "conversation:first-turn"),
            (b'{"model":"assistant","messages":[]}', "", "request", "request"),
        ):
            plane.send(request(body, headers=headers))
            plane.reply(answer())
            assignment = plane.bench.records.records[-1].assignment
            assert (assignment.unit_kind, assignment.unit_source) == (kind, source)

    def test_a_new_table_counts_from_the_next_request_on(self, plane: PlainPlane) -> None:
        for weight, arm in ((0.0, "stable"), (1.0, "canary"), (0.0, "stable")):
            plane.bench.weigh("assistant", {"canary": weight})
            plane.send(request(headers="X-User-Id: u\r\n"))
            assert plane.sent_on(arm)
            plane.reply(answer(), arm)

    def test_an_operator_forces_an_arm(self, plane: PlainPlane) -> None:
        token = ADMIN_TOKEN.decode()
        plane.send(request(headers=f"x-tipstaff-force-arm: canary\r\nx-tipstaff-admin-token: {token}\r\n"))
        sent = plane.sent_on("canary")
        assert b"tipstaff" not in sent.lower()
        assert ADMIN_TOKEN not in sent
        plane.reply(answer(), "canary")
        assignment = plane.bench.records.records[0].assignment
        assert (assignment.assigned, assignment.served, assignment.forced) == ("stable", "canary", True)
        (told,) = plane.bench.records.audit
        exchange = plane.bench.records.records[0].id
        assert (told.actor, told.action, told.subject, told.outcome) == ("ada", "arm.forced", exchange, "canary")

    def test_what_nobody_can_write_down_is_not_forced(self, plane: PlainPlane) -> None:
        plane.bench.records.full = True
        headers = f"x-tipstaff-force-arm: canary\r\nx-tipstaff-admin-token: {ADMIN_TOKEN.decode()}\r\n"
        plane.send(request(headers=headers))
        assert status_of(plane.answer()) == 503
        assert plane.untouched()

    @pytest.mark.parametrize(
        ("headers", "status", "code"),
        [
            ("x-tipstaff-force-arm: canary\r\n", 401, "missing_admin_token"),
            (
                f"x-tipstaff-force-arm: canary\r\nx-tipstaff-admin-token: {VIEWER_TOKEN.decode()}\r\n",
                403,
                "bad_admin_token",
            ),
            ("x-tipstaff-force-arm: canary\r\nx-tipstaff-admin-token: wrong\r\n", 403, "bad_admin_token"),
            (
                f"x-tipstaff-force-arm: other\r\nx-tipstaff-admin-token: {ADMIN_TOKEN.decode()}\r\n",
                400,
                "unknown_arm",
            ),
        ],
    )
    def test_nobody_else_does(self, plane: PlainPlane, headers: str, status: int, code: str) -> None:
        plane.send(request(headers=headers))
        got = plane.answer()
        assert (status_of(got), code_of(got)) == (status, code)
        assert plane.untouched()
        told = [(each.actor, each.action) for each in plane.bench.records.audit]
        known = {"vic" if VIEWER_TOKEN.decode() in headers else "": "sign_in.failed"}
        assert told == (list(known.items()) if code == "bad_admin_token" else [])

    def test_a_response_is_pinned_as_soon_as_its_id_has_passed(self, plane: PlainPlane) -> None:
        plane.bench.weigh("assistant", {"canary": 1.0})
        plane.send(
            request(
                b'{"model":"assistant","input":"x","stream":true}', "/v1/responses", "Accept-Encoding: gzip\r\n"
            )
        )
        assert b"accept-encoding" not in plane.sent_on("canary").lower()
        plane.reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "canary")
        event = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_'
        plane.reply(b"%x\r\n%b\r\n" % (len(event), event), "canary")
        plane.reply(b'5\r\n1a"}}\r\n', "canary")
        assert plane.bench.pins.get("resp_1a") == Pin("assistant", "canary", "http://canary.test:8000")
        plane.reply(b"0\r\n\r\n", "canary")

        plane.bench.weigh("assistant", {"canary": 0.0})
        for wire in (
            b"GET /v1/responses/resp_1a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /v1/responses/resp_1a/cancel HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            request(b'{"model":"assistant","input":"y","previous_response_id":"resp_1a"}', "/v1/responses"),
        ):
            plane.send(wire)
            assert plane.sent_on("canary")
            plane.reply(answer(), "canary")
            assert plane.answer().count(b"HTTP/1.1 200 OK") >= 1
        assignment = plane.bench.records.records[-1].assignment
        assert (assignment.assigned, assignment.served) == ("stable", "canary")

    def test_an_unknown_response_is_a_clear_404(self, plane: PlainPlane) -> None:
        plane.send(b"GET /v1/responses/resp_9 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert code_of(plane.answer()) == "response_not_found"
        plane.send(request(b'{"model":"assistant","input":"y","previous_response_id":"resp_9"}', "/v1/responses"))
        assert code_of(plane.answer()) == "response_not_found"
        assert plane.untouched()

    def test_metadata_keeps_no_text(self, tmp_path: Path) -> None:
        plane = PlainPlane(tmp_path)
        plane.services.keeps_text = frozenset()
        plane.send(request())
        plane.reply(answer())
        (record,) = plane.bench.records.records
        assert record.request.kept is None
        assert record.response.kept is None
        assert (record.request.size, record.response.size) == (len(BODY), 11)
        plane.close()
