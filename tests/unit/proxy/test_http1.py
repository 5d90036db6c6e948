"""The grammar of heads: what is one message to everybody passes, all else is refused."""

import pytest

from gateway.core.errors import GatewayError
from gateway.proxy.http1 import HeaderLines, Malformed, RequestHead, check_partial, read_answer, read_request

HOST = b"\r\nHost: a.test"


def read(head: bytes) -> RequestHead:
    return read_request(head, HeaderLines.of_requests())


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", "both"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 3", "both"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 3\r\nContent-Length: 4", "more than one"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 3\r\nContent-Length: 3", "more than one"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 3, 3", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: +3", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: -3", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 0x3", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 1_0", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: 3 4", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length:", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: \xb2", "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length: " + b"9" * 19, "not a number"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: gzip", "other than chunked"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: gzip, chunked", "other than chunked"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: chunked, chunked", "other than chunked"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: identity", "other than chunked"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: \x0bchunked", "control"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: xchunked", "other than chunked"),
        (
            b"GET / HTTP/1.1" + HOST + b"\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "more than one",
        ),
        (b"GET / HTTP/1.0" + HOST + b"\r\nTransfer-Encoding: chunked", "in HTTP/1.0"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\r\n b", "folded"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\r\n\tb", "folded"),
        (b"GET / HTTP/1.1\r\n Host: a.test", "folded"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX : a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX\t: a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Length : 3", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\n: a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX\x00: a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX(y): a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX\xe9: a", "proper name"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\x00b", "control"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\x7fb", "control"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\nY: b", "control"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nX: a\rY: b", "control"),
        (b"GET / HTTP/1.1\nHost: a.test", "request line"),
        (b"GET / HTTP/1.1", "no Host"),
        (b"GET / HTTP/1.1" + HOST + HOST, "more than one"),
        (b"GET / HTTP/1.1\r\nHost: a.test, b.test", "Host"),
        (b"GET / HTTP/1.1\r\nHost: user@a.test", "Host"),
        (b"GET / HTTP/1.1\r\nHost: a.test/x", "Host"),
        (b"GET  / HTTP/1.1" + HOST, "request line"),
        (b"GET / HTTP/1.1 " + HOST, "request line"),
        (b" GET / HTTP/1.1" + HOST, "request line"),
        (b"GET /a b HTTP/1.1" + HOST, "request line"),
        (b"GET\t/\tHTTP/1.1" + HOST, "request line"),
        (b"GET /" + HOST, "request line"),
        (b"G\x00T / HTTP/1.1" + HOST, "method"),
        (b"G(T / HTTP/1.1" + HOST, "method"),
        (b"A" * 40 + b" / HTTP/1.1" + HOST, "method"),
        (b"GET /\x01 HTTP/1.1" + HOST, "target"),
        (b"GET /\xc3\xa9 HTTP/1.1" + HOST, "target"),
        (b"GET /#x HTTP/1.1" + HOST, "target"),
        (b"GET * HTTP/1.1" + HOST, "neither"),
        (b"GET a.test:80 HTTP/1.1" + HOST, "neither"),
        (b"GET ftp://a.test/ HTTP/1.1" + HOST, "neither"),
        (b"GET http:///x HTTP/1.1" + HOST, "proper host"),
        (b"GET http://u:p@a.test/x HTTP/1.1" + HOST, "proper host"),
        (b"GET / HTTP/1.10" + HOST, "version"),
        (b"GET / http/1.1" + HOST, "version"),
        (b"GET / HTTP/x.y" + HOST, "version"),
        (b"GET / ICY/1.1" + HOST, "version"),
        (b"", "request line"),
        (b"GET / HTTP/1.1" + HOST + b"".join(b"\r\nX%d: a" % n for n in range(300)), "more than 256"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nContent-Type: a/b\r\ncontent-type: c/d", "more than one"),
        (b"GET / HTTP/1.1" + HOST + b"\r\nAuthorization: a\r\nauthorization: b", "more than one"),
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(head: bytes, what: str) -> None:
    known = HeaderLines.of_requests()
    for _ in range(2):  # what is remembered must not be more lenient than what is read
        with pytest.raises(Malformed, match=what):
            read_request(head, known)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT a.test:80 HTTP/1.1" + HOST, 501),
        (b"GET / HTTP/1.1" + HOST + b"\r\nConnection: upgrade\r\nUpgrade: websocket", 501),
        (b"GET / HTTP/1.1" + HOST + b"\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket", 501),
        (b"GET / HTTP/2.0" + HOST, 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.2" + HOST, 505),
        (b"GET / HTTP/1.1" + HOST + b"\r\nExpect: a-miracle", 417),
    ],
)
def test_what_is_well_formed_and_not_served_says_so(head: bytes, status: int) -> None:
    with pytest.raises(GatewayError) as raised:
        read(head)
    assert raised.value.status == status
    assert raised.value.close


def test_a_malformed_line_counts_before_an_unserved_version() -> None:
    with pytest.raises(Malformed):
        read(b"GET / HTTP/2.0\r\nX: a\x00")


def test_headers_pass_as_they_came_but_for_the_hop_by_hop_ones() -> None:
    head = read(
        b"POST /v1/x?y HTTP/1.1\r\nHost: a.test\r\nX-One:  two  \r\nConnection: keep-alive, X-Hop\r\nx-hop: 1\r\n"
        b"Keep-Alive: 5\r\nTE: x\r\nProxy-Authorization: z\r\nx-two: \xe9\r\nx-tipstaff-force-arm: canary\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: abc\r\nProxy-Connection: close\r\nContent-Length: 3"
    )
    assert head.lines == [b"X-One:  two  ", b"x-two: \xe9"]
    assert head.fields[b"x-one"] == b"two"
    assert head.fields[b"x-tipstaff-force-arm"] == b"canary"
    assert (head.method, head.target, head.length, head.keep_alive) == (b"POST", b"/v1/x?y", 3, True)


def test_a_repeated_header_is_one_value_and_passes_twice() -> None:
    head = read(b"GET / HTTP/1.1" + HOST + b"\r\nX: a\r\nx: b")
    assert head.fields[b"x"] == b"a, b"
    assert head.lines == [b"X: a", b"x: b"]


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        (b"1.1", True),
        (b"1.1\r\nConnection: close", False),
        (b"1.1\r\nConnection: Keep-Alive, CLOSE", False),
        (b"1.0", False),
        (b"1.0\r\nConnection: Keep-Alive", True),
        (b"1.0\r\nConnection: keep-alive, close", False),
    ],
)
def test_whether_a_connection_stays_open(lines: bytes, *, keep_alive: bool) -> None:
    version, _, rest = lines.partition(b"\r\n")
    assert read(b"GET / HTTP/" + version + HOST + (b"\r\n" + rest if rest else b"")).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        (b"http://a.test/v1/x?y=1", b"/v1/x?y=1"),
        (b"HTTP://a.test:80", b"/"),
        (b"https://[::1]:8080?y", b"/?y"),
        (b"/http://a.test/", b"/http://a.test/"),
    ],
)
def test_an_absolute_target_loses_its_host(target: bytes, origin: bytes) -> None:
    assert read(b"GET " + target + b" HTTP/1.1" + HOST).target == origin


def test_options_may_ask_for_the_server_as_a_whole() -> None:
    assert read(b"OPTIONS * HTTP/1.1" + HOST).target == b"*"
    assert read(b"OPTIONS http://a.test HTTP/1.1" + HOST).target == b"*"


def test_an_http_1_0_client_needs_no_host_and_gets_no_interim_answer() -> None:
    head = read(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3")
    assert not head.expects_continue
    assert read(b"POST / HTTP/1.1" + HOST + b"\r\nExpect: 100-Continue\r\nContent-Length: 3").expects_continue


def test_upgrade_that_is_not_asked_of_this_hop_is_dropped() -> None:
    assert read(b"GET / HTTP/1.1" + HOST + b"\r\nUpgrade: websocket").lines == []
    assert read(b"GET / HTTP/1.1" + HOST + b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c").lines == []


@pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nX: \xe9\ty\r\n\r", b""])
def test_the_beginning_of_a_head_is_waited_for(begun: bytes) -> None:
    check_partial(begun)


@pytest.mark.parametrize("begun", [b"GET /\n", b"GET /\r\nX\n", b"\x16\x03\x01", b"GET \rX", b"a\r\n\r\r", b"\x00"])
def test_what_can_become_no_head_is_refused_at_once(begun: bytes) -> None:
    with pytest.raises(Malformed):
        check_partial(begun)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 Fine thing\r\nX: y",
        b"HTTP/1.0 200 OK",
    ],
)
def test_answers_that_are_well_formed(head: bytes) -> None:
    assert read_answer(head, HeaderLines.of_answers()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1  200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b",
        b"HTTP/1.1 200 OK\r\nX : a",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
    ],
)
def test_answers_that_are_refused(head: bytes) -> None:
    known = HeaderLines.of_answers()
    for _ in range(2):
        with pytest.raises(Malformed):
            read_answer(head, known)


def test_memory_is_bounded() -> None:
    known = HeaderLines.of_requests()
    for number in range(10_000):
        read_request(b"GET /%d HTTP/1.1\r\nHost: a\r\nX-%d: %d" % (number, number, number), known)
    assert len(known._known) <= 4096
    assert len(known.request_lines._made) <= 4096
    read_request(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1000, known)
    assert all(len(line) <= 512 for line in known._known)
