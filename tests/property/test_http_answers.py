"""Answers: however the bytes are split, the client gets the same payload, framed so that it knows the end."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.answer import AnswerReader
from gateway.proxy.http1 import HeaderLines, Malformed, ResponseHead
from tests.support.plainplane import PlainPlane, request


class Heard:
    """A Sink that notes what it hears."""

    def __init__(self) -> None:
        self.interims: list[int] = []
        self.heads: list[ResponseHead] = []
        self.payload = b""
        self.chunks: list[bytes] = []

    def interim(self, head: ResponseHead) -> None:
        self.interims.append(head.status)

    def begun(self, head: ResponseHead, *, bodyless: bool, more: bool) -> None:
        self.heads.append(head)

    def whole(self, head: ResponseHead, payload: bytes) -> None:
        assert payload
        self.begun(head, bodyless=False, more=True)
        self.piece(payload, None)

    def piece(self, payload: bytes, chunk: bytes | None) -> None:
        self.payload += payload
        if chunk is not None:
            self.chunks.append(chunk)
            size, _, rest = chunk.partition(b"\r\n")
            assert rest == payload + b"\r\n"
            assert int(size, 16) == len(payload)

    def passage(self) -> None:
        """Every chunk is to be heard."""


bodies = st.binary(max_size=60)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes, bool]:
    """(wire, payload, whether the connection's end is the answer's end)."""
    wire = b"".join(
        draw(
            st.lists(
                st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nL: 1\r\n\r\n"]), max_size=2
            )
        )
    )
    body = draw(bodies)
    how = draw(st.sampled_from(["length", "chunks", "close"]))
    wire += b"HTTP/1.1 200 OK\r\nx: y\r\n"
    if how == "length":
        return wire + b"content-length: %d\r\n\r\n" % len(body) + body, body, False
    if how == "close":
        return wire + b"\r\n" + body, body, True
    wire += b"transfer-encoding: chunked\r\n\r\n"
    left = body
    while left:
        size = draw(st.integers(1, len(left)))
        wire += b"%X\r\n%b\r\n" % (size, left[:size])
        left = left[size:]
    return wire + b"0\r\n" + draw(st.sampled_from([b"", b"T: 1\r\n"])) + b"\r\n", body, False


def read(pieces: list[bytes]) -> tuple[Heard, AnswerReader]:
    heard = Heard()
    reader = AnswerReader(heard, HeaderLines.of_answers(), 65536, False)  # noqa: FBT003 - it answers no HEAD
    for piece in pieces:
        assert not reader.done, "an answer that ended too early"
        reader.feed(piece)
    return heard, reader


@settings(max_examples=150, deadline=None)
@given(answers())
def test_an_answer_split_at_every_place(answer: tuple[bytes, bytes, bool]) -> None:
    wire, body, to_the_end = answer
    whole, _ = read([wire])
    for pieces in [[wire[:place], wire[place:]] for place in range(1, len(wire))] + [[bytes([b]) for b in wire]]:
        heard, reader = read(pieces)
        assert heard.payload == body
        assert heard.heads == whole.heads
        assert heard.interims == whole.interims
        assert reader.done is not to_the_end
        assert reader.eof()
        assert reader.reusable is not to_the_end


@settings(max_examples=200, deadline=None)
@given(answers(), st.sampled_from([b"\x00", b"\n", b"\r", b"z", b"\r\n", b" "]), st.data())
def test_a_spoilt_answer_gives_the_same_payload_or_the_same_refusal(
    answer: tuple[bytes, bytes, bool], spoil: bytes, data: st.DataObject
) -> None:
    wire = answer[0]
    place = data.draw(st.integers(0, len(wire) - 1))
    wire = wire[:place] + spoil + wire[place:]
    assert result(wire, [wire]) == result(wire, [bytes([byte]) for byte in wire])


@settings(max_examples=60, deadline=None)
@given(answers(), st.data())
def test_the_client_and_the_record_get_the_same_however_an_answer_is_split(
    answer: tuple[bytes, bytes, bool], data: st.DataObject
) -> None:
    wire, body, to_the_end = answer
    place = data.draw(st.integers(1, len(wire) - 1))
    assert relayed([wire], to_the_end=to_the_end) == relayed([wire[:place], wire[place:]], to_the_end=to_the_end)
    assert relayed([wire], to_the_end=to_the_end)[1] == body


def relayed(pieces: list[bytes], *, to_the_end: bool) -> tuple[bytes, bytes | None, tuple[object, ...]]:
    """What the client reads (payload, after its head), what is recorded, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        plane = PlainPlane(Path(folder))
        plane.send(request())
        for piece in pieces:
            plane.reply(piece)
        if to_the_end:
            plane.hang_up()
        (record,) = plane.bench.records.records
        head, got = heard_by_a_client(plane.answer())
        plane.close()
    return head + got, record.response.kept, (record.status, record.reason, record.response.size)


def heard_by_a_client(wire: bytes) -> tuple[bytes, bytes]:
    """The last head and the payload, framing taken off: chunk boundaries need not survive."""
    heard, _ = read([wire])
    return heard.heads[-1].passed, heard.payload


def result(wire: bytes, pieces: list[bytes]) -> tuple[bytes, bool, bool]:
    """(payload that got through whole, ended, refused): payload of a refused answer depends on the split."""
    heard = Heard()
    reader = AnswerReader(heard, HeaderLines.of_answers(), 65536, False)  # noqa: FBT003 - it answers no HEAD
    try:
        for piece in pieces:
            if reader.done:
                break
            reader.feed(piece)
    except Malformed:
        return b"", False, True
    return heard.payload, reader.done, False
