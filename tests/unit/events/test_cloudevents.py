"""Events as others read them: CloudEvents attributes in headers, JSON by the committed schema."""

import json
from importlib import resources

import jsonschema  # type: ignore[import-untyped]
import pytest

from gateway.events.cloudevents import message
from gateway.events.codec import from_json
from gateway.events.schema import Event
from gateway.ports import Entry
from tests.support.events import one_of_each


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_a_message_says_what_it_is(event: Event) -> None:
    made = message(Entry("scorer-0", 41, 1_760_000_000_123_456, event), "gateway-1")
    headers = {name: value.decode() for name, value in made.headers}
    name = headers["ce_type"].removeprefix("dev.tipstaff.")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": "/tipstaff/gateway-1",
        "ce_type": f"dev.tipstaff.{name}",
        "ce_time": "2025-10-09T08:53:20.123456+00:00",
        "ce_dataschema": f"urn:dev.tipstaff.{name}",
        "ce_producer": "scorer-0",
        "ce_sequence": "41",
        "content-type": "application/json",
    }
    assert made.key == event.key.encode()
    assert made.time_ms == 1_760_000_000_123
    assert from_json(made.payload) == event
    schema = json.loads(resources.files("gateway.events.schemas").joinpath(f"{name}.json").read_bytes())
    assert schema["$id"] == headers["ce_dataschema"]
    jsonschema.validate(json.loads(made.payload), schema)
