import gzip
import json
import zlib

import pytest

from gateway.core.dialects import Answer, Body, DecodeError, decode
from gateway.core.dialects.reading import plain
from gateway.core.exchange import Route
from tests.unit.core.dialects.official import STREAM, asked, chat, chat_stream, delta

HELLO = asked(messages=[{"role": "user", "content": "hello"}])
HI = chat({"message": {"role": "assistant", "content": "hi"}})


def why(request: Body, response: Body, route: Route = Route.CHAT) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(route, request, response)
    assert "secret" not in str(caught.value)
    return caught.value.why


def raw_deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


def coded(content: bytes, coding: str, content_type: str = "application/json") -> Body:
    return Body(content, content_type, coding)


def test_compressed_bodies_are_read() -> None:
    for content, coding in (
        (gzip.compress(HI.content), "gzip"),
        (gzip.compress(HI.content[:9]) + gzip.compress(HI.content[9:]), "X-GZip"),
        (zlib.compress(HI.content), "deflate"),
        (raw_deflate(HI.content), "deflate"),
        (HI.content, "identity"),
    ):
        assert decode(Route.CHAT, HELLO, coded(content, coding)).answers == (Answer("hi", finish_reason="stop"),)


def test_a_compressed_stream_that_broke_off_is_read_as_far_as_it_goes() -> None:
    deflater = zlib.compressobj(wbits=31)
    begun = deflater.compress(chat_stream(delta(content="h"), done=False).content) + deflater.flush(
        zlib.Z_SYNC_FLUSH
    )
    assert decode(Route.CHAT, HELLO, coded(begun, "gzip", STREAM)).answers == (Answer("h", complete=False),)
    assert why(HELLO, coded(gzip.compress(HI.content)[:-9], "gzip")) == "truncated"


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = coded(gzip.compress(bytes(10_000_000)), "gzip")
    with pytest.raises(DecodeError, match="over 1000 bytes"):
        plain(bomb, limit=1000)
    assert why(HELLO, coded(gzip.compress(b"") * 100, "gzip")) == "too_large"
    assert plain(bomb, limit=10_000_000).content == bytes(10_000_000)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Body(b'{"choices":"secret"}'), "malformed"),
        (Body(b'{"choices":[{"index":"secret"}]}'), "malformed"),
        (Body(b"\xff"), "malformed"),
        (Body(b'{"choices":[{"message":{"content":"secret'), "malformed"),
        (Body(b"data: {secret\n\n", STREAM), "malformed"),
        (Body(HI.content, truncated=True), "truncated"),
        (coded(b"secret", "gzip"), "malformed"),
        (coded(b"\xff\xffsecret", "deflate"), "malformed"),
        (coded(b"secret", "br"), "unsupported_encoding"),
        (coded(b"secret", "gzip, gzip"), "unsupported_encoding"),
        (Body(b"[" * 100_000 + b"]" * 100_000), "malformed"),
        (Body(b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "malformed"),
        (Body(b"data: " + b"x" * (17 << 20) + b"\n\n", STREAM), "too_large"),
    ],
)
def test_what_cannot_be_read_says_why_and_no_content(response: Body, reason: str) -> None:
    assert why(HELLO, response) == reason


def test_a_truncated_request_leaves_the_answers() -> None:
    got = decode(Route.CHAT, Body(HELLO.content[:9], truncated=True), HI)
    assert (got.turns, got.unread) == ((), ("request",))
    assert got.answers == (Answer("hi", finish_reason="stop"),)
    assert why(Body(b"{"), HI) == "malformed"


def test_other_routes_are_not_read() -> None:
    assert why(HELLO, HI, Route.OTHER) == "unsupported_route"


def test_a_long_stream_takes_linear_time() -> None:
    events = [json.dumps(delta(content="x" * 10))] * 20_000
    body = Body("".join(f"data: {event}\n\n" for event in events).encode(), STREAM)
    assert len(decode(Route.CHAT, HELLO, body).answers[0].text) == 200_000
