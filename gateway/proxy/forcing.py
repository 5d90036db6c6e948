"""An operator who sends one request to an arm of their choice: the token is theirs, and the audit stream has it."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core import errors
from gateway.core.identity import Identity, Right, Tokens
from gateway.events.schema import AuditV1
from gateway.ports import Clock
from gateway.proxy.ids import Ids
from gateway.proxy.rate_limit import RateLimit

FORCE_ARM = b"x-tipstaff-force-arm"
ADMIN_TOKEN = b"x-tipstaff-admin-token"
_PER_MINUTE = 60
"""Wrong tokens that are written down."""


class AuditRecords(Protocol):
    """Where audit entries go: `gateway.proxy.recorder.Recorder`."""

    def offer(self, events: Sequence[AuditV1]) -> bool:
        """Take all of them or none; never waits."""


class Forcing:
    """Who may force an arm. What nobody could write down is not done."""

    def __init__(self, tokens: Tokens, records: AuditRecords, clock: Clock, ids: Ids) -> None:
        self._tokens = tokens
        self._records = records
        self._clock = clock
        self._ids = ids
        self._limit = RateLimit(_PER_MINUTE, _PER_MINUTE)

    def operator(self, fields: dict[bytes, bytes]) -> Identity:
        """Who sends the request's token. Raises GatewayError."""
        token = fields.get(ADMIN_TOKEN)
        if not token:
            raise errors.missing_admin_token()
        who = self._tokens.of(token)
        if who is None or not who.may(Right.CHANGE):
            if not self._limit.take(b"", 1, self._clock.monotonic()):
                self._write("" if who is None else who.name, "sign_in.failed", "forcing an arm", "bad_admin_token")
            raise errors.bad_admin_token()
        return who

    def note(self, who: Identity, exchange_id: str, arm: str) -> None:
        """Write it down. Raises GatewayError where there is no room for it."""
        if not self._write(who.name, "arm.forced", exchange_id, arm):
            raise errors.no_audit()

    def _write(self, actor: str, action: str, subject: str, outcome: str) -> bool:
        now_us = self._clock.now_us()
        return self._records.offer([AuditV1(self._ids.new(now_us), now_us, actor, action, subject, outcome)])
