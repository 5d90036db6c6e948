import pytest

from gateway.core.sse import Event, Oversize, SseParser


def parse(*chunks: bytes, limit: int = 1000) -> list[Event | Oversize]:
    parser = SseParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data:a\n\n", [("message", "a")]),
        (b"data:  a \n\n", [("message", " a ")]),
        (b"data\n\n", [("message", "")]),
        (b"data\ndata\n\n", [("message", "\n")]),
        (b"data: a\rdata: b\r\r", [("message", "a\nb")]),
        (b"data: a\r\ndata: b\r\n\r\n", [("message", "a\nb")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", "a"), ("message", "b")]),
        (b"event: x\n\ndata: b\n\n", [("message", "b")]),
        (b": comment\nid: 1\nretry: 2\nunknown: 3\ndata: a\n\n", [("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a")]),
        (b"data: \xff\xc3\xa9\n\n", [("message", "\ufffdé")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b" data: a\n\n", []),
        (b"\n\n\n", []),
        (b"data: a\x0bb\x1c\x85\n\n", [("message", "a\x0bb\x1c\ufffd")]),
    ],
)
def test_the_standard_s_rules(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert parse(stream) == [Event(type_, data) for type_, data in events]


def test_a_line_feed_after_a_carriage_return_may_come_later() -> None:
    assert parse(b"data: a\r", b"", b"\ndata: b\r", b"\n\r", b"\n") == [Event("message", "a\nb")]


@pytest.mark.parametrize("split", [1, 7, 1000])
def test_an_event_over_the_limit_is_told_and_forgotten(split: int) -> None:
    for big in (b"data: " + b"x" * 200 + b"\n\n", b"data: xxxxxxxx\n" * 20 + b"\n", b"y" * 200 + b"\n\n"):
        stream = b"data: a\n\n" + big + b"data: b\n\n"
        chunks = [stream[at : at + split] for at in range(0, len(stream), split)]
        assert parse(*chunks, limit=100) == [Event("message", "a"), Oversize(100), Event("message", "b")]


def test_what_is_held_is_bounded() -> None:
    parser = SseParser(100)
    for _ in range(10_000):
        assert parser.feed(b"data: xxxxxxxxxxxxxxxxxxxx") == []
        assert sum(map(len, parser._pieces)) + sum(map(len, parser._data)) <= 100
