"""The reader against an independent one: Python's json, with every pair kept."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.envelope import Envelope, EnvelopeReader, Glance, replacement
from gateway.core.errors import GatewayError
from gateway.core.jsonscan import members

KEYS = ("user", "metadata.user_id")
ROUTING = ("model", "previous_response_id", "stream", "user", "metadata")
READER = EnvelopeReader(KEYS)

NAMES = st.sampled_from([*ROUTING, "user_id", "messages", "input", "tools", 'a"model', "x"])
LEAVES = st.one_of(
    st.sampled_from(["model", "user", '"model":', "\\", "a", "", "x" * 3000]),
    st.text(max_size=8),
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.none(),
)


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all of its members."""


VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(NAMES, inner), max_size=4).map(Pairs),
    max_leaves=12,
)  # fmt: skip
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=7).map(Pairs)
SPACES = st.sampled_from(["", " ", "\n\t"])


def write(value: object, space: str, escape: int) -> str:
    if isinstance(value, Pairs):
        inner = (
            f"{key_text(key, escape + at)}{space}:{space}{write(v, space, escape)}"
            for at, (key, v) in enumerate(value)
        )
        return f"{{{space}{f'{space},{space}'.join(inner)}{space}}}"
    if isinstance(value, list):
        return f"[{','.join(write(entry, space, escape) for entry in value)}]"
    return json.dumps(value, ensure_ascii=bool(escape % 2))


def key_text(key: str, escape: int) -> str:
    """Every eleventh key has its second character escaped."""
    text = json.dumps(key)
    return text if escape % 11 or len(key) < 2 or '"' in key else f'"{key[0]}\\u{ord(key[1]):04x}{key[2:]}"'


def expected(body: bytes) -> tuple[str, bool, dict[str, str], str] | None:
    """What the envelope must say; None where it must be refused. `body` is an object in valid JSON."""
    top = json.loads(body, object_pairs_hook=Pairs)
    if ambiguous(top, ROUTING):
        return None
    given = dict(top)
    model, previous = given.get("model"), given.get("previous_response_id")
    if not isinstance(model, str) or not model or not (previous is None or isinstance(previous, str)):
        return None
    metadata = given.get("metadata")
    inner: dict[str, Any] = {}
    if isinstance(metadata, Pairs):
        if ambiguous(metadata, ("user_id",)):
            return None
        inner = dict(metadata)
    found = {"user": given.get("user"), "metadata.user_id": inner.get("user_id")}
    units = {key: unit for key, value in found.items() if (unit := unit_text(value))}
    stream = given.get("stream")
    return model, stream is True or stream == "true", units, previous or ""


def ambiguous(pairs: Pairs, names: tuple[str, ...]) -> bool:
    wanted = [key for key, _ in pairs if key in names]
    return len(wanted) != len(set(wanted))


def unit_text(value: object) -> str:
    if value is None or isinstance(value, list):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def read(body: bytes, content_type: str = "application/json") -> Envelope | int:
    """The envelope, or the status of the refusal."""
    try:
        return READER.read(body, content_type)
    except GatewayError as error:
        return error.status


@given(OBJECTS, SPACES)
@example(Pairs([("model", "a"), ("messages", ["x" * 3000]), ("model", "b")]), "")
@example(Pairs([("messages", ["x" * 3000]), ("x", Pairs([("messages", ["x" * 3000])])), ("model", "b")]), "")
def test_the_fast_way_says_what_the_plain_way_says(value: Pairs, space: str) -> None:
    body = write(value, space, 1).encode()
    want, got = expected(body), read(body)
    if not isinstance(got, Envelope):
        assert (got, want) == (400, None)
        return
    assert want == (got.model, got.stream, got.units, got.previous_response_id)
    start, end = READER.model_span(body, "application/json")
    changed = body[:start] + replacement("other", "application/json") + body[end:]
    before, after = json.loads(body, object_pairs_hook=Pairs), json.loads(changed, object_pairs_hook=Pairs)
    assert after == [(key, "other" if key == "model" else entry) for key, entry in before]


@given(OBJECTS, SPACES, st.integers(0, 10), st.sampled_from([b"", b"x", b"}", b"\xff"]))
@example(Pairs([("model", "a"), ("model", "b")]), "", 1, b"")
@example(Pairs([("model", "a"), ("user", "b"), ("messages", ["user"]), ("user", "c")]), " ", 1, b"")
@example(Pairs([("model", "a"), ("model", "b")]), "", 10, b"")
def test_a_glance_never_says_what_a_closer_look_would_not(
    value: Pairs, space: str, escape: int, junk: bytes
) -> None:
    body = write(value, space, escape).encode() + junk
    glance, closer = Glance(("user", "x")), EnvelopeReader(("user", "x"))
    found = glance.read(body)
    if found is not None:
        closer._glance._possible = False
        assert found == closer.read(body, "application/json")


def test_a_glance_is_enough_for_a_plain_body() -> None:
    body = '{"model": "a", "stream": true, "user": "é", "messages": [{"role": "user", "content": "hi"}]}'.encode()
    assert Glance(("user",)).read(body) == Envelope("a", stream=True, units={"user": "é"}, previous_response_id="")


@given(OBJECTS, SPACES, st.integers(0, 10))
def test_an_escaped_routing_key_never_passes(value: Pairs, space: str, escape: int) -> None:
    body = write(value, space, escape).encode()
    if any(member.escaped and member.key in ROUTING for member in members(body)):
        assert read(body) == 400


@given(OBJECTS, SPACES, st.integers(0, 10))
def test_members_are_what_json_sees(value: Pairs, space: str, escape: int) -> None:
    body = write(value, space, escape).encode()
    seen = [(m.key, json.loads(body[m.start : m.end], object_pairs_hook=Pairs)) for m in members(body)]
    assert seen == json.loads(body, object_pairs_hook=Pairs)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\modelu0 1', max_size=60).map(str.encode))
def test_hostile_bytes_get_an_answer(body: bytes) -> None:
    for content_type in ("application/json", "", "multipart/form-data; boundary=x"):
        envelope = read(body, content_type)
        if isinstance(envelope, Envelope):
            start, end = READER.model_span(body, content_type)
            assert 0 <= start < end <= len(body)
        else:
            assert envelope == 400


@given(
    st.lists(st.tuples(st.sampled_from(["model", "user", "file", "x"]), st.text(max_size=20)), max_size=5),
    st.integers(0, 300),
    st.binary(max_size=3),
)
def test_mutated_forms_get_an_answer(fields: list[tuple[str, str]], at: int, junk: bytes) -> None:
    parts = (f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields)
    body = "".join(parts).encode() + b"--b--\r\n"
    at = min(at, len(body))
    for form in (body, body[:at] + junk + body[at:], body[:at] + body[at + 1 :]):
        envelope = read(form, "multipart/form-data; boundary=b")
        assert isinstance(envelope, Envelope) or envelope == 400
