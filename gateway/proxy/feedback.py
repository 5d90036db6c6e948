"""`POST /tipstaff/v1/feedback`: what people and the team's own metrics say of exchanges."""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil
from typing import Protocol

import msgspec

from gateway.core.errors import encoded_body
from gateway.core.feedback import MOST, Given, no_room, read, too_much
from gateway.events.schema import FeedbackV1
from gateway.ports import Clock
from gateway.proxy.ids import Ids
from gateway.proxy.rate_limit import RateLimit

_CREDENTIALS = (b"authorization", b"x-api-key")


class FeedbackRecords(Protocol):
    """Where feedback goes: `gateway.proxy.recorder.Recorder`."""

    def offer(self, events: Sequence[FeedbackV1]) -> bool:
        """Take all of them or none; never waits."""


class FeedbackDesk:
    """Reads, bounds and hands on. What it took is queued for the log, and its ids are told to the client."""

    def __init__(self, records: FeedbackRecords, per_minute: int, clock: Clock, ids: Ids) -> None:
        self._records = records
        self._clock = clock
        self._ids = ids
        self.allow(per_minute)

    def allow(self, per_minute: int) -> None:
        """How much one client may send from now on."""
        self._limit = RateLimit(per_minute, max(per_minute, MOST))

    def take(self, body: bytes, fields: dict[bytes, bytes], client: bytes, *, known: bool = False) -> bytes:
        """All that the request says, or nothing; returns the answer's JSON. Raises GatewayError.

        client: an address, or (`known`) the name of the client's key.
        """
        coding = fields.get(b"content-encoding", b"identity")
        if coding.lower() != b"identity":
            raise encoded_body(coding.decode("latin-1"))
        now_us = self._clock.now_us()
        key = fields.get(b"idempotency-key")
        given = read(body, None if key is None else key.decode("latin-1"), now_us)
        wait = self._limit.take(client if known else _client(fields, client), len(given), self._clock.monotonic())
        if wait:
            raise too_much(ceil(wait))
        events = [self._event(one, now_us) for one in given]
        if not self._records.offer(events):
            raise no_room()
        return msgspec.json.encode({"accepted": [event.id for event in events]})

    def _event(self, given: Given, now_us: int) -> FeedbackV1:
        """A client's id counts within its exchange: two clients that both say "1" are not taken for one."""
        identifier = self._ids.new(now_us) if given.id is None else f"{given.exchange_id}-{given.id}"
        return FeedbackV1(identifier, given.exchange_id, given.metric, given.value, now_us)


def _client(fields: dict[bytes, bytes], peer: bytes) -> bytes:
    for name in _CREDENTIALS:
        if name in fields:
            return blake2b(fields[name], digest_size=16).digest()
    return peer
