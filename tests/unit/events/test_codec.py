"""Events as bytes, and when compressing pays."""

import os
from typing import get_args

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from gateway.events import codec, schemas
from gateway.events.codec import Damaged, Group
from gateway.events.schema import Event
from tests.support.events import audit, exchange, one_of_each

SSE = b"".join(
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"w%d "},"logprobs":null,"finish_reason":null}]}\n\n' % number
    for number in range(200)
)


def decoded(groups: list[Group]) -> list[Event]:
    return [codec.event(raw) for group in groups for raw in codec.raws(group)]


def test_groups_hold_the_events_in_order() -> None:
    events = [*one_of_each(), *(audit(number) for number in range(3000))]
    groups = codec.groups(events)
    assert [group.count for group in groups] == [1024, 1024, len(events) - 2048]
    assert decoded(groups) == events
    assert codec.groups([]) == []


def test_groups_are_bounded_in_bytes() -> None:
    events = [exchange(number, response=os.urandom(1_500_000)) for number in range(5)]
    groups = codec.groups(events)
    assert [group.count for group in groups] == [2, 2, 1]
    assert decoded(groups) == events


def test_streamed_answers_are_compressed_and_small_or_random_ones_are_not() -> None:
    streamed = codec.groups([exchange(number, response=SSE) for number in range(4)])[0]
    assert streamed.codec == codec.ZLIB
    assert len(streamed.body) * 8 < streamed.size
    assert codec.groups([exchange(number) for number in range(100)])[0].codec == codec.PLAIN
    assert codec.groups([exchange(1, response=os.urandom(50_000))])[0].codec == codec.PLAIN


@pytest.mark.parametrize("response", [b"{}", SSE])
def test_a_changed_byte_is_noticed(response: bytes) -> None:
    (group,) = codec.groups([exchange(1, response=response)])
    harmed = bytearray(group.body)
    harmed[len(harmed) // 2] ^= 1
    with pytest.raises(Damaged):
        codec.raws(msgspec.structs.replace(group, body=bytes(harmed)))


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_json_round_trip_and_schema(event: Event) -> None:
    text = codec.to_json(event)
    assert codec.from_json(text) == event
    schema = schemas.all_schemas()[f"{schemas.name(type(event))}.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(msgspec.json.decode(text), schema, jsonschema.Draft202012Validator)


def test_the_samples_cover_every_event() -> None:
    assert {type(event) for event in one_of_each()} == set(get_args(Event))


def test_a_schema_refuses_what_is_not_such_an_event() -> None:
    document = msgspec.json.decode(codec.to_json(audit(1)))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"time_us": "now"}, schemas.all_schemas()["audit.v1.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas.all_schemas()["decision.v1.json"])


def test_committed_schemas_are_those_of_the_structs() -> None:
    committed = {path.name: path.read_bytes() for path in schemas.FOLDER.glob("*.json")}
    fresh = {name: schemas.rendered(schema) for name, schema in schemas.all_schemas().items()}
    assert committed == fresh, "run `python -m gateway.events.schemas` and commit what it writes"


def test_an_unknown_field_of_a_later_version_is_passed_over() -> None:
    document = msgspec.json.decode(codec.to_json(audit(1))) | {"added_later": 1}
    assert codec.from_json(msgspec.json.encode(document)) == audit(1)
