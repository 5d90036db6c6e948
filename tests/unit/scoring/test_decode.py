"""What a classifier gets to read of a raw exchange, or why nothing."""

import gzip
import json

import msgspec
import pytest

from classifiers.exchange import Answer, Turn
from classifiers.verdict import Why
from gateway.core.exchange import Reason, Route
from gateway.events.schema import ExchangeV1, Payload
from gateway.scoring.decode import Readable, decode
from tests.unit.scoring.making import exchange

ASKED = {"model": "m", "user": "joe-17", "messages": [{"role": "user", "content": "Hello?"}]}
ANSWERED = {"choices": [{"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}]}
STREAMED = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n'
)


def payload(
    content: bytes, content_type: str = "application/json", *, truncated: bool = False, content_encoding: str = ""
) -> Payload:
    return Payload(len(content), content, truncated, content_type, content_encoding)


def made(response: Payload, request: Payload | None = None, **more: object) -> ExchangeV1:
    asked = request or payload(json.dumps(ASKED).encode())
    return msgspec.structs.replace(exchange(1), request=asked, response=response, **more)


ANSWER = payload(json.dumps(ANSWERED).encode())


def readable(raw: ExchangeV1) -> Readable:
    found = decode(raw)
    assert isinstance(found, Readable)
    return found


def test_turns_answers_and_the_users_name() -> None:
    found = readable(made(ANSWER))
    assert found.exchange.turns == (Turn("user", "Hello?"),)
    assert found.exchange.answers == (Answer("Hello.", finish_reason="stop"),)
    assert found.names == {"joe-17": exchange(1).key}


def test_a_stream_that_broke_off_is_read_as_far_as_it_came() -> None:
    raw = made(payload(STREAMED, "text/event-stream"), reason=Reason.CLIENT_GONE)
    assert readable(raw).exchange.answers == (Answer("Hello", complete=False),)


def test_compressed_answers_are_read() -> None:
    compressed = gzip.compress(json.dumps(ANSWERED).encode())
    assert readable(made(payload(compressed, content_encoding="gzip"))).exchange.answers[0].text == "Hello."


def test_what_was_truncated_says_so() -> None:
    raw = made(ANSWER, payload(b'{"model":"m","mess', truncated=True))
    found = readable(raw).exchange
    assert found.truncated
    assert (found.turns, found.answers[0].text) == ((), "Hello.")


def test_other_names_for_the_user_are_known_too() -> None:
    body = {**ASKED, "user": 42, "tenant": "acme", "metadata": {"user_id": "u-9"}, "safety_identifier": "s-1"}
    raw = made(ANSWER, payload(json.dumps(body).encode()))
    assignment = msgspec.structs.replace(raw.assignment, unit_source="body:tenant")
    assert set(readable(msgspec.structs.replace(raw, assignment=assignment)).names) == {"42", "acme", "u-9", "s-1"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (made(ANSWER, status=429), Why.NO_TEXT),
        (made(ANSWER, status=502, reason=Reason.UPSTREAM_REFUSED), Why.NO_TEXT),
        (made(Payload(500, None, truncated=False)), Why.NO_TEXT),
        (made(payload(b'{"choices":[]}')), Why.NO_TEXT),
        (made(payload(b"")), Why.NO_TEXT),
        (made(payload(b""), reason=Reason.CLIENT_GONE), Why.INCOMPLETE),
        (made(payload(b'{"choices":[{"mess'), reason=Reason.UPSTREAM_RESET), Why.INCOMPLETE),
        (made(payload(b'{"choices":[{"mess')), Why.UNDECODABLE),
        (made(payload(b'{"choices":[{"mess', truncated=True)), Why.TRUNCATED),
        (made(payload(b"xx", content_encoding="br")), Why.UNDECODABLE),
        (made(payload(b"\xff\xfe", "text/plain")), Why.UNDECODABLE),
        (made(ANSWER, route=Route.OTHER), Why.UNDECODABLE),
        (made(payload(b"[" * 100_000)), Why.UNDECODABLE),
    ],
    ids=range(13),
)
def test_what_cannot_be_read_says_why(raw: ExchangeV1, why: Why) -> None:
    assert decode(raw) is why
