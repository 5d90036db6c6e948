"""An event as everybody else reads it: CloudEvents 1.0, in Kafka's binary mode.

The attributes are headers, the payload is JSON by the committed schema that `dataschema` names. `producer` and
`sequence` are extension attributes: with the stream and `source` they say which event of a gateway's own log it is,
in what order, and so whether one is missing. Delivery is at least once: `id` and `type` tell a repetition.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from gateway.events.codec import from_json, to_json
from gateway.events.schema import Event
from gateway.ports import Entry

CONTENT_TYPE: Final = "application/json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct, frozen=True):
    """One Kafka record; `time_ms`: milliseconds since the epoch."""

    key: bytes
    headers: list[tuple[str, bytes]]
    payload: bytes
    time_ms: int


_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SOURCE = "/tipstaff/"


def parse(headers: Mapping[str, bytes], payload: bytes) -> tuple[str, Entry]:
    """The gateway that it is from, and the entry of its log: the inverse of `message`. Raises ValueError."""
    try:
        source = headers["ce_source"].decode()
        producer, sequence = headers["ce_producer"].decode(), int(headers["ce_sequence"])
        time_us = (datetime.fromisoformat(headers["ce_time"].decode()) - _EPOCH) // timedelta(microseconds=1)
        event = from_json(payload)
    except (KeyError, TypeError, msgspec.DecodeError) as error:
        raise ValueError(f"no event of tipstaff: {error!r}") from error
    gateway = _gateway(source)
    if gateway is None or not _NAME.fullmatch(producer):
        raise ValueError(f"no gateway's name, or no producer's: {source!r}, {producer!r}")
    if not 0 <= sequence < 1 << 62 or not 0 <= time_us < 1 << 62:
        raise ValueError(f"no place in a log: {sequence}")
    return gateway, Entry(producer, sequence, time_us, event)


def sender_of(headers: Mapping[str, bytes]) -> tuple[str, str] | None:
    """The gateway and the id of an event that may say nothing else that can be read; None: not even that."""
    source = headers.get("ce_source", b"").decode(errors="replace")
    identifier = headers.get("ce_id", b"").decode(errors="replace")
    gateway = _gateway(source)
    return None if gateway is None or not _NAME.fullmatch(identifier) else (gateway, identifier)


def _gateway(source: str) -> str | None:
    """None: it names none."""
    name = source.removeprefix(_SOURCE)
    return name if source.startswith(_SOURCE) and _NAME.fullmatch(name) else None


def type_of(event: Event) -> str:
    """Its CloudEvents type, like dev.tipstaff.verdict.v1."""
    return str(event.__struct_config__.tag)


def message(entry: Entry, source: str) -> Message:
    """`entry` of a log of the gateway `source`, for others."""
    event = entry.event
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"{_SOURCE}{source}",
        "type": type_of(event),
        "time": (_EPOCH + timedelta(microseconds=entry.time_us)).isoformat(timespec="microseconds"),
        "dataschema": f"urn:{type_of(event)}",
        "producer": entry.producer,
        "sequence": str(entry.sequence),
    }
    headers = [(f"ce_{name}", value.encode()) for name, value in attributes.items()]
    return Message(
        key=event.key.encode(),
        headers=[*headers, ("content-type", CONTENT_TYPE.encode())],
        payload=to_json(event),
        time_ms=entry.time_us // 1000,
    )
