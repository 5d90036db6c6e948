"""However a stream is split, it is the same events; and they are those of a parser that reads it whole."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sse import Event, Oversize, SseParser

STREAMS = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b"\r\n",
            b"data:",
            b"data: ",
            b"event: x",
            b":",
            b"id: 1",
            b"a",
            b" ",
            b"\xff",
            "é".encode(),
            b"\xef\xbb\xbf",
            b"data",
            b"\x0b",
            b"dat",
            b"x" * 40,
        ]
    )
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)
CUTS = st.lists(st.integers(0, 300), max_size=20)
LIMIT = 60


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(edges)]


def fed(chunks: list[bytes], limit: int = 10_000) -> list[Event | Oversize]:
    parser = SseParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


def whole(stream: bytes) -> list[Event]:
    """The standard, read off: decode, strip the mark, split into lines, go through them."""
    text = stream.decode(errors="replace").removeprefix("\ufeff")
    events: list[Event] = []
    data: list[str] = []
    kind = ""
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        if not line:
            if data:
                events.append(Event(kind or "message", "\n".join(data)))
            data, kind = [], ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
    return events


@given(STREAMS)
def test_it_reads_what_the_standard_says(stream: bytes) -> None:
    assert fed([stream]) == whole(stream)


@given(STREAMS, CUTS)
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    assert fed(split(stream, cuts)) == fed([stream])


@given(STREAMS)
def test_one_byte_at_a_time_too(stream: bytes) -> None:
    assert fed([bytes([byte]) for byte in stream]) == fed([stream])


@given(STREAMS, CUTS)
def test_with_a_bound_too(stream: bytes, cuts: list[int]) -> None:
    bounded = fed(split(stream, cuts), LIMIT)
    assert bounded == fed([stream], LIMIT)
    small = [event for event in bounded if isinstance(event, Event)]
    assert all(len(event.data) <= LIMIT for event in small)
    assert [event for event in fed([stream]) if event in small] >= small
