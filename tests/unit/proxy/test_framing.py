"""Bodies: every payload byte, nothing of the framing, and nothing that follows."""

import pytest

from gateway.proxy.framing import BodyReader, ChunkedReader, CloseReader, LengthReader
from gateway.proxy.http1 import HeaderLines, Malformed


def chunked() -> ChunkedReader:
    return ChunkedReader(HeaderLines.of_answers())


def feed_bytewise(reader: BodyReader, data: bytes) -> bytes:
    payload = b""
    for place in range(len(data)):
        payload += reader.feed(data[place : place + 1])
        if reader.done:
            assert reader.rest == b""
            reader.rest = data[place + 1 :]
            break
    return payload


def test_a_length_ends_exactly_there() -> None:
    reader = LengthReader(5)
    assert reader.feed(b"abc") == b"abc"
    assert not reader.done
    assert reader.feed(b"deGET") == b"de"
    assert reader.done
    assert reader.rest == b"GET"
    assert LengthReader(0).done


def test_a_body_to_the_end_of_the_connection_has_no_end_of_its_own() -> None:
    reader = CloseReader()
    assert reader.feed(b"abc") == b"abc"
    assert not reader.done


@pytest.mark.parametrize(
    ("wire", "payload", "rest", "trailers"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc", b"", []),
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /", b"abcde", b"GET /", []),
        (b"0\r\n\r\n", b"", b"", []),
        (b"00003\r\nabc\r\n000\r\n\r\n", b"abc", b"", []),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b"", []),
        (b"3;x=y\r\nabc\r\n0;z\r\n\r\n", b"abc", b"", []),
        (b"3 ; x\r\nabc\r\n0\r\n\r\n", b"abc", b"", []),
        (b"3\r\na\r\n\r\n0\r\n\r\n", b"a\r\n", b"", []),
        (b"1\r\na\r\n0\r\nX: y\r\nZ: 1\r\n\r\nrest", b"a", b"rest", [b"X: y", b"Z: 1"]),
        (b"1\r\na\r\n0\r\nConnection: x\r\nx-tipstaff-arm: b\r\n\r\n", b"a", b"", []),
    ],
)
@pytest.mark.parametrize("bytewise", [True, False])
def test_chunks(wire: bytes, payload: bytes, rest: bytes, trailers: list[bytes], *, bytewise: bool) -> None:
    reader = chunked()
    got = feed_bytewise(reader, wire) if bytewise else reader.feed(wire)
    assert got == payload
    assert reader.done
    assert reader.rest == rest
    assert reader.trailers == trailers


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"x\r\n",
        b"0x3\r\nabc\r\n",
        b"+3\r\nabc\r\n",
        b"-3\r\nabc\r\n",
        b"3_0\r\n",
        b" 3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"3\nabc\n",
        b"3\n\r\nabc\r\n",
        b"3\rabc\r\n",
        b"3;a\nb\r\nabc\r\n",
        b"3;a\rb\r\nabc\r\n",
        b"3;\x00\r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"3\r\nabcX\n",
        b"3\r\nabc0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF\r\n",
        b"3;" + b"x" * 5000 + b"\r\n",
        b"1\r\na\r\n0\r\nX : y\r\n\r\n",
        b"1\r\na\r\n0\r\n X: y\r\n\r\n",
        b"1\r\na\r\n0\r\nX: y\nZ: 1\r\n\r\n",
        b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n0\r\nX: " + b"y" * 20_000,
    ],
)
@pytest.mark.parametrize("bytewise", [True, False])
def test_framing_that_could_be_read_in_two_ways_is_refused(wire: bytes, *, bytewise: bool) -> None:
    reader = chunked()
    with pytest.raises(Malformed):
        feed_bytewise(reader, wire) if bytewise else reader.feed(wire)


def test_exactly_one_plain_chunk_goes_on_as_it_came() -> None:
    reader = chunked()
    reader.feed(b"3\r\nabc\r\n")
    assert reader.whole
    for wire in (b"3;x\r\nabc\r\n", b"3\r\nab", b"c\r\n", b"3\r\nabc\r\n1\r\nz\r\n"):
        reader.feed(wire)
        assert not reader.whole
    reader.feed(b"2\r\nab\r\n")
    assert reader.whole
    reader.feed(b"0\r\n\r\n")
    assert not reader.whole
    assert reader.done


def test_a_piece_of_a_chunk_is_there_as_soon_as_it_has_come() -> None:
    reader = chunked()
    assert reader.feed(b"5\r\na") == b"a"
    assert reader.feed(b"b") == b"b"
    assert reader.feed(b"cde\r") == b"cde"
    assert reader.feed(b"\n0\r") == b""
    assert reader.feed(b"\n\r\n") == b""
    assert reader.done
