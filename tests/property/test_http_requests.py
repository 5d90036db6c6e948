"""Requests: however the bytes are split, the same exchanges; and what we take, every strict parser reads alike."""

import tempfile
from itertools import count, pairwise
from pathlib import Path

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import GatewayError
from gateway.proxy.http1 import HeaderLines, Malformed, read_request
from gateway.proxy.ids import Ids
from tests.support.plainplane import PlainPlane, answer

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
OWN = {"host", "content-length", "transfer-encoding", "content-type", "connection", "upgrade", "expect", "trailer"}

names = st.text(TOKEN, min_size=1, max_size=12).filter(
    lambda name: name.lower() not in OWN and not name.lower().startswith("x-tipstaff-")
)
values = st.text([chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100), 9)], max_size=20)
headers = st.lists(st.tuples(names, values), max_size=6)
paths = st.sampled_from(["/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/completions"])
texts = st.text(max_size=40)


@st.composite
def whole_requests(draw: st.DrawFn) -> bytes:
    body = b'{"model":"assistant","user":%b}' % repr(draw(st.integers(0, 99))).encode()
    body += b" " * draw(st.integers(0, 30))
    lines = [f"POST {draw(paths)} HTTP/1.1", "Host: a.test", "Content-Type: application/json"]
    lines += [f"{name}:{value}" for name, value in draw(headers)]
    if draw(st.booleans()):
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        return head.encode("latin-1") + body
    head = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""])
    return head.encode("latin-1") + chunks(draw, body)


def chunks(draw: st.DrawFn, body: bytes) -> bytes:
    wire = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b"", b";a=b", b' ;q="z"']))
        wire += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return wire + b"0\r\n" + draw(st.sampled_from([b"", b"X-T: 1\r\n"])) + b"\r\n"


class CountedIds(Ids):
    """Ids that two runs have in common."""

    def __init__(self) -> None:
        super().__init__()
        self._made = count()

    def new(self, now_us: int) -> str:
        return f"{next(self._made):032x}"


def outcome(pieces: list[bytes]) -> tuple[list[bytes], bytes, list[tuple[object, ...]]]:
    """What an arm got, what the client got, and how it ended, with the ids taken out."""
    with tempfile.TemporaryDirectory() as folder:
        plane = PlainPlane(Path(folder))
        plane.services.ids = CountedIds()
        sent = []
        for piece in pieces:
            plane.send(piece)
            while request := plane.sent_on():
                sent.append(request)
                plane.reply(answer(b"%d" % len(sent)))
        records: list[tuple[object, ...]] = [
            (one.path, one.reason, one.status, one.request.kept) for one in plane.bench.records.records
        ]
        records.append(("exchanges", plane.bench.metric("tipstaff_requests_total")))
        got = plane.answer()
        plane.close()
        return sent, got, records


def splits(data: st.DataObject, wire: bytes) -> list[bytes]:
    places = data.draw(st.lists(st.integers(1, max(1, len(wire) - 1)), max_size=8).map(sorted))
    edges = [0, *places, len(wire)]
    return [wire[start:end] for start, end in pairwise(edges) if end > start]


@settings(max_examples=60, deadline=None)
@given(st.lists(whole_requests(), min_size=1, max_size=3), st.data())
def test_the_same_exchanges_however_the_bytes_are_split(requests: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(requests)
    whole = outcome([wire])
    assert len(whole[0]) == len(requests)
    assert outcome(splits(data, wire)) == whole


@settings(max_examples=4, deadline=None)
@given(whole_requests())
def test_at_every_single_place(wire: bytes) -> None:
    whole = outcome([wire])
    for place in range(1, len(wire)):
        assert outcome([wire[:place], wire[place:]]) == whole
    assert outcome([wire[place : place + 1] for place in range(len(wire))]) == whole


spoilt = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\x00",
        b" ",
        b":",
        b"\t",
        b"\r\n",
        b"\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"0\r\n\r\n",
        b"\x7f",
        b";",
    ]
)


@settings(max_examples=150, deadline=None)
@given(whole_requests(), spoilt, st.data())
def test_spoilt_requests_end_alike_however_they_are_split(wire: bytes, spoil: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(wire)))
    wire = wire[:place] + spoil + wire[place:]
    whole = outcome([wire])
    parts = outcome(splits(data, wire))
    assert parts[0] == whole[0], "another request reached the arm"
    assert parts[2] == whole[2]


class Reading:
    """What httptools (llhttp) makes of a head."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))


lines = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 03\r\n",
        b"content-length:3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"transfer-encoding:chunked\r\n",
        b"Connection: close\r\n",
        b"X: y\r\n",
        b"X : y\r\n",
        b" z\r\n",
        b"X:\x01\r\n",
        b"X\r\n",
        b"\xff: 1\r\n",
        b"Y: \xff\r\n",
        b"\r\n",
        b"\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(lines, min_size=1, max_size=7).map(b"".join))
def test_what_is_accepted_another_strict_parser_reads_the_same_way(wire: bytes) -> None:
    head, end, _ = (b"GET / HTTP/1.1\r\nHost: a\r\n" + wire + b"\r\n").partition(b"\r\n\r\n")
    try:
        ours = read_request(head, HeaderLines.of_requests())
    except (Malformed, GatewayError):
        return
    theirs = Reading()
    parser = httptools.HttpRequestParser(theirs)
    parser.feed_data(head + end)
    assert theirs.url == ours.target
    assert parser.get_method() == ours.method
    merged: dict[bytes, bytes] = {}
    for name, value in theirs.fields:
        merged[name] = merged[name] + b", " + value if name in merged else value
    assert merged == ours.fields
