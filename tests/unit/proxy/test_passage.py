"""Whole chunks that nobody looks into: what passes, what is recorded of it, and what must not get through so."""

import gc
import weakref
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.exchange import Reason
from gateway.proxy.tap import Tap
from tests.support.plainplane import PlainPlane, request

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM = b'{"model":"assistant","stream":true,"messages":[{"role":"user","content":"hi"}]}'
LAST = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def begun(plane: PlainPlane, *payloads: bytes) -> None:
    """A stream whose chunks of these lengths have been seen."""
    plane.send(request(STREAM))
    plane.reply(HEAD)
    for payload in payloads:
        plane.reply(chunk(payload))
    plane.answer()


def passing(plane: PlainPlane) -> int:
    """How many chunks have gone past the reader so far."""
    (exchange,) = plane.services.exchanges
    return len(exchange.tap._framed)


def test_chunks_of_known_lengths_pass_as_they_came_and_are_recorded_without_framing(
    plane: PlainPlane,
) -> None:
    begun(plane, b"abc", b"abcd")
    for payload in (b"123", b"4567", b"\r\n9"):
        plane.reply(chunk(payload))
        assert plane.answer() == chunk(payload)
    assert passing(plane) == 3
    plane.reply(chunk(b"a length that is new"))
    assert passing(plane) == 0
    plane.reply(chunk(b"xyz"))
    plane.reply(LAST)
    assert plane.answer() == chunk(b"a length that is new") + chunk(b"xyz") + LAST
    (record,) = plane.bench.records.records
    assert record.response.kept == b"abcabcd1234567\r\n9a length that is newxyz"
    assert (record.response.size, record.response.truncated) == (len(record.response.kept), False)
    assert (record.chunks, record.reason) == (7, Reason.COMPLETE)


@pytest.mark.parametrize(
    "spoilt",
    [
        b"2\r\nabc\r\n",  # longer than it says
        b"3\r\nabcxx",  # not closed
        b"3\n\nabc\r\n",
        b"x\r\nabc\r\n",
    ],
)
def test_what_is_as_long_as_a_known_chunk_and_is_none_is_refused(plane: PlainPlane, spoilt: bytes) -> None:
    begun(plane, b"abc")
    plane.reply(chunk(b"def"))
    assert passing(plane) == 1
    plane.reply(spoilt)
    assert plane.transport.aborted
    (record,) = plane.bench.records.records
    assert record.reason is Reason.UPSTREAM_MALFORMED
    assert (record.response.kept or b"").startswith(b"abcdef")


def test_a_record_stays_within_its_bound(tmp_path: Path) -> None:
    plane = PlainPlane(tmp_path, limits={"record_bytes": 20})
    begun(plane, b"abc")
    for _ in range(9):
        plane.reply(chunk(b"def"))
    plane.reply(LAST)
    assert plane.answer() == chunk(b"def") * 9 + LAST
    (record,) = plane.bench.records.records
    assert (record.response.kept, record.response.size) == ((b"abc" + b"def" * 9)[:20], 30)
    assert (record.response.truncated, record.chunks) == (True, 10)
    plane.close()


def test_nothing_passes_once_the_client_has_gone(plane: PlainPlane) -> None:
    begun(plane, b"abc")
    plane.reply(chunk(b"def"))
    plane.client.connection_lost(None)
    assert plane.upstreams["stable"].aborted
    plane.answer()
    plane.reply(chunk(b"ghi"))
    assert plane.answer() == b""
    (record,) = plane.bench.records.records
    assert (record.response.kept, record.reason) == (b"abcdef", Reason.CLIENT_GONE)


def test_the_next_answer_on_the_connection_begins_with_its_head(plane: PlainPlane) -> None:
    begun(plane, b"abc")
    plane.reply(chunk(b"def"))
    plane.reply(LAST)
    plane.answer()
    plane.send(request(STREAM))
    plane.reply(chunk(b"ghi"))  # where a head should be
    assert plane.answer() == b""
    assert not plane.bench.records.records[1:]


def test_chunks_that_pass_are_signs_of_life(plane: PlainPlane) -> None:
    begun(plane, b"abc")
    for _ in range(5):
        plane.wait(50)
        plane.reply(chunk(b"def"))
        assert plane.answer() == chunk(b"def")
    plane.wait(1)
    plane.wait(61)
    assert plane.transport.aborted


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"%x\r\n%b\r\n", b"%X\r\n%b\r\n", b"0%x\r\n%b\r\n", b"%x;a\r\n%b\r\n"]))
        .map(lambda drawn: drawn[0])
        .flatmap(lambda form: st.binary(min_size=1, max_size=12).map(lambda body: form % (len(body), body))),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.integers(1, 400), max_size=4),
    st.sampled_from([3, 25, 1000]),
)
def test_however_chunks_come_the_client_and_the_record_get_the_same(
    tmp_path_factory: pytest.TempPathFactory, wires: list[bytes], cuts: list[int], bound: int
) -> None:
    whole = b"".join(wires)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    cut = [whole[start:end] for start, end in pairwise(places)]
    byte_by_byte = [bytes([byte]) for byte in whole]
    results = set()
    for pieces in (wires, cut, byte_by_byte):
        plane = PlainPlane(tmp_path_factory.mktemp("plane"), limits={"record_bytes": bound})
        begun(plane)
        for piece in [*pieces, LAST]:
            plane.reply(piece)
        (record,) = plane.bench.records.records
        results.add((unframed(plane.answer()), record.response.kept, record.response.size, record.reason))
        plane.close()
    assert len(results) == 1


def unframed(wire: bytes) -> bytes:
    """The payload of chunks without extensions, as the gateway writes them anew, or as they came."""
    payload = b""
    while not wire.startswith(LAST):
        size, _, rest = wire.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        payload += rest[:length]
        wire = rest[length + 2 :]
    return payload


def test_a_tap_tells_pieces_from_framing_when_asked() -> None:
    tap = Tap(100)
    tap.add(b"ab")
    room, keep = tap.keeper()
    assert room == 98
    keep(b"3\r\n\ncd\r\n")
    assert tap.pieces == 2
    assert tap.last == b"\ncd"
    keep(b"1\r\ne\r\n")
    assert tap.payload("", "", keep=True).kept == b"ab\ncde"


def test_a_tap_that_keeps_no_more_counts_what_passes() -> None:
    tap = Tap(2)
    tap.add(b"ab")
    room, keep = tap.keeper()
    keep(b"a\r\n0123456789\r\n")
    found = tap.payload("", "", keep=True)
    assert room > 1 << 40
    assert (found.kept, found.size, found.truncated, tap.pieces) == (b"ab", 12, True, 2)


def test_an_idle_connection_lets_go_of_the_client_before(plane: PlainPlane) -> None:
    begun(plane, b"abc")
    plane.reply(chunk(b"def"))
    assert passing(plane) == 1
    plane.reply(LAST)
    client = weakref.ref(plane.transport)
    plane.client.connection_lost(None)
    plane.client, plane.transport = plane.connect()
    gc.collect()
    assert client() is None
