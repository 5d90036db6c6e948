"""Whatever bytes come, a decoder answers or raises DecodeError; and a stream says what the whole answer says."""

import gzip
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.dialects import Body, Decoded, DecodeError, decode
from gateway.core.exchange import Route

ROUTES = st.sampled_from([Route.CHAT, Route.COMPLETIONS, Route.RESPONSES, Route.MESSAGES])
TYPES = st.sampled_from(["application/json", "text/event-stream", ""])
CODINGS = st.sampled_from(["", "gzip", "deflate", "br"])

WORDS = st.sampled_from(
    [
        "messages",
        "content",
        "role",
        "text",
        "type",
        "choices",
        "index",
        "message",
        "delta",
        "finish_reason",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "reasoning",
        "refusal",
        "audio",
        "transcript",
        "usage",
        "prompt_tokens",
        "error",
        "output",
        "item",
        "response",
        "output_index",
        "content_index",
        "status",
        "incomplete_details",
        "reason",
        "summary",
        "input",
        "system",
        "content_block",
        "stop_reason",
        "partial_json",
        "thinking",
        "source",
        "data",
        "prompt",
        "echo",
        "n",
        "suffix",
        "instructions",
        "user",
        "assistant",
        "output_text",
        "function_call",
        "tool_use",
        "tool_result",
        "response.output_text.delta",
        "response.completed",
        "content_block_delta",
        "message_start",
        "stop",
    ]
)
LEAVES = st.one_of(WORDS, st.text(max_size=5), st.integers(-(2**70), 2**70), st.booleans(), st.none(), st.floats())
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(WORDS, TREES, max_size=6)


def tried(route: Route, request: Body, response: Body) -> Decoded | None:
    with suppress(DecodeError):
        return decode(route, request, response)
    return None


def as_stream(events: list[Any]) -> bytes:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


@given(ROUTES, st.binary(max_size=100), st.binary(max_size=100), TYPES, CODINGS, st.integers(0, 1))
def test_any_bytes(route: Route, request: bytes, response: bytes, content_type: str, coding: str, cut: int) -> None:
    tried(route, Body(request, content_encoding=coding), Body(response, content_type, coding, bool(cut)))
    tried(route, Body(b"{}"), Body(response, content_type, coding, bool(cut)))


@given(ROUTES, OBJECTS, st.lists(OBJECTS, max_size=5))
def test_any_json(route: Route, request: dict[str, Any], replies: list[dict[str, Any]]) -> None:
    asked = Body(json.dumps(request).encode())
    tried(route, asked, Body(b""))
    tried(route, Body(b"{}"), Body(as_stream(replies), "text/event-stream"))
    for reply in replies:
        tried(route, Body(b"{}"), Body(json.dumps(reply).encode(), "application/json"))


CHAT = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "é"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
    ]
}
CHUNKS = as_stream(
    [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hé"}}]},
        {"choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}},
    ]
)


@given(ROUTES, st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3), st.integers(0, 1))
def test_mutated_bodies(route: Route, at: int, junk: bytes, cut: int, packed: int) -> None:
    request = json.dumps(CHAT).encode()
    for body in (request, CHUNKS):
        place = at % (len(body) + 1)
        mutant = body[:place] + junk + body[place + cut :]
        coded = gzip.compress(mutant) if packed else mutant
        tried(route, Body(coded, "", "gzip" if packed else ""), Body(CHUNKS, "text/event-stream"))
        tried(route, Body(request), Body(coded, "text/event-stream", "gzip" if packed else ""))


@given(st.integers(0, len(CHUNKS)))
def test_a_stream_cut_anywhere_says_only_what_the_whole_one_said(cut: int) -> None:
    request = Body(json.dumps(CHAT).encode())
    full = decode(Route.CHAT, request, Body(CHUNKS, "text/event-stream"))
    part = decode(Route.CHAT, request, Body(CHUNKS[:cut], "text/event-stream", truncated=True))
    assert part.turns == full.turns
    assert len(part.answers) <= len(full.answers)
    for some, every in zip(part.answers, full.answers, strict=False):
        assert every.text.startswith(some.text)
        assert every.complete or not some.complete


@given(st.text(min_size=1, max_size=40), st.lists(st.integers(1, 40), max_size=6))
def test_a_stream_says_what_the_whole_answer_says(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    chat = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    blocks = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces
    ]
    items = [{"type": "response.output_text.delta", "output_index": 0, "delta": piece} for piece in pieces]
    for route, events in ((Route.CHAT, chat), (Route.MESSAGES, blocks), (Route.RESPONSES, items)):
        got = decode(route, Body(b"{}"), Body(as_stream(events), "text/event-stream"))
        assert [answer.text for answer in got.answers] == [text]
