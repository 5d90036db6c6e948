"""A canary's traffic as verdicts, for the controller: bucket by bucket as the table in force assigns it."""

import random

import msgspec

from classifiers.verdict import Finding, PrincipleFinding, Severity, Verdict
from gateway.core.assignment import assign, bucket
from gateway.core.exchange import Reason, Route
from gateway.core.ids import exchange_id
from gateway.core.routing import RoutingTable
from gateway.events.schema import Assignment, Timing, VerdictV1

MODEL = "assistant"


class Traffic:
    """Requests of users who come back, `rate` a second; the canary violates `harm` with another probability."""

    def __init__(self, start_us: int, *, users: int = 3000, rate: float = 40.0, seed: int = 1) -> None:
        self.now_us = start_us
        self.stable, self.canary = 0.02, 0.02
        self._users = users
        self._step_us = round(1e6 / rate)
        self._random = random.Random(seed)
        self._number = 0
        self._keys = 1

    def rotate(self) -> None:
        """Another unit key: from now on everybody has another hash."""
        self._keys += 1

    def verdicts(self, table: RoutingTable, seconds: float, constitution: str) -> list[VerdictV1]:
        """What comes within so many seconds, under one table."""
        made = []
        until = self.now_us + round(seconds * 1e6)
        while self.now_us < until:
            self.now_us += self._step_us
            made.append(self._verdict(table, constitution))
        return made

    def _verdict(self, table: RoutingTable, constitution: str) -> VerdictV1:
        self._number += 1
        unit = (self._random.randrange(self._users) * self._keys).to_bytes(16, "big")
        assignment = assigned(table, unit)
        bad = self.canary if assignment.assigned == "canary" else self.stable
        violates = self._random.random() < bad
        identifier = exchange_id(self.now_us, self._number.to_bytes(10, "big"))
        return VerdictV1(
            id=f"{identifier}verdict",
            exchange_id=identifier,
            time_us=self.now_us,
            producer="proxy-0",
            sequence=self._number,
            model=MODEL,
            route=Route.CHAT,
            assignment=assignment,
            status=200,
            reason=Reason.COMPLETE,
            streamed=True,
            timing=Timing(self.now_us - 100_000, 0.001, 0.2, 0.5),
            request_bytes=100,
            response_bytes=900,
            verdict=verdict(constitution, violates=violates),
        )


def assigned(table: RoutingTable, unit: bytes, *, forced: bool = False) -> Assignment:
    """As a proxy assigns a user of MODEL under this table."""
    route = table.models[MODEL]
    place = bucket(route.salt, unit)
    arm = assign(route, place)
    where = (table.store_id, table.epoch, table.version)
    return Assignment("user", "header:x-user-id", unit, place, route.weight(arm), arm, arm, *where, forced)


def verdict(constitution: str, *, violates: bool) -> Verdict:
    """Everything evaluated; a violation is one of privacy, grave."""
    found = Finding.VIOLATES if violates else Finding.UPHOLDS
    finding = PrincipleFinding("privacy", found, float(violates), "rules", severity=Severity.CRITICAL)
    return Verdict(
        (finding,),
        constitution,
        {"rules": "1"},
        refusal=False,
        over_refusal=False,
        severity=Severity.CRITICAL if violates else None,
    )


def forced(event: VerdictV1) -> VerdictV1:
    """The same, on an arm that an operator forced."""
    return msgspec.structs.replace(event, assignment=msgspec.structs.replace(event.assignment, forced=True))
