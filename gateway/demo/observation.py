"""What the admin API says of the two arms and the rollout at one moment."""

from typing import Any

import msgspec

from gateway.commands import rollout
from gateway.commands.adminclient import AdminClient
from gateway.commands.words import time_of
from gateway.rollout.proportions import wilson

_ALPHA = 0.05
_ENOUGH = 30
"""Evaluated exchanges per arm from which rates are compared."""
_MOSTLY = 0.5
"""Share of its exchanges that must have been evaluated: rules alone can find but not clear most violations."""


class Rate(msgspec.Struct, frozen=True):
    """`count` of `total`."""

    count: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "-"
        found = wilson(self.count, self.total, _ALPHA)
        return f"{self.count}/{self.total} = {found.value:.1%} [{found.low:.1%}, {found.high:.1%}]"

    def above(self, other: "Rate") -> bool:
        """Whether its whole 95 % interval lies above the other's, with enough seen of both."""
        if min(self.total, other.total) < _ENOUGH:
            return False
        return wilson(self.count, self.total, _ALPHA).low > wilson(other.count, other.total, _ALPHA).high


class ArmSeen(msgspec.Struct, frozen=True):
    """One arm: counts by assignment. `rates`: principle -> violations of what was evaluated."""

    units: int = 0
    exchanges: int = 0
    violating: Rate = Rate(0, 0)
    rates: dict[str, Rate] = {}
    provocations: int = 0

    def comparable(self, principle: str) -> bool:
        """Whether the principle was evaluated in most exchanges, so that a share of them means something."""
        return self.rates.get(principle, Rate(0, 0)).total >= _MOSTLY * self.exchanges > 0


class StreamSeen(msgspec.Struct, frozen=True):
    """One stream's account."""

    stream: str
    started: int
    in_flight: int
    appended: int
    dropped: int
    spooled: int
    balanced: bool
    settled: bool


class Made(msgspec.Struct, frozen=True):
    """One decision of the rollout. `before`, `after`: the canary's percent. `time_us`: of the last answer read."""

    id: str
    kind: str
    actor: str
    reason: str
    before: float
    after: float
    time_us: int


class Observation(msgspec.Struct, frozen=True):
    """Everything at one moment; weights in percent, decisions oldest first."""

    weights: dict[str, float]
    arms: dict[str, ArmSeen]
    streams: dict[str, StreamSeen]
    decisions: tuple[Made, ...] = ()

    def arm(self, name: str) -> ArmSeen:
        """An arm; one without numbers where nothing was seen of it yet."""
        return self.arms.get(name, ArmSeen())

    def worse(self) -> list[str]:
        """Principles of which the canary's interval lies wholly above stable's: counts, and no decision."""
        stable, canary = self.arm("stable"), self.arm("canary")
        return [
            principle
            for principle, rate in canary.rates.items()
            if canary.comparable(principle) and rate.above(stable.rates.get(principle, Rate(0, 0)))
        ]

    @property
    def scored(self) -> int:
        """Exchanges that have a verdict in the controller's index."""
        return sum(arm.exchanges for arm in self.arms.values())


def observe(admin: AdminClient, model: str, started: str = "") -> Observation:
    """Ask the admin API; `started`: the rollout's id, once there is one. Blocking; raises AdminError."""
    weights = admin.weights(model)["weights"]
    arms = admin.get(f"models/{model}/rates")["arms"]
    streams = admin.get("ledger")["streams"]
    return Observation(
        weights=weights,
        arms={arm["arm"]: _arm(arm) for arm in arms},
        streams={stream["stream"]: _stream(stream) for stream in streams},
        decisions=tuple(map(_made, rollout.decisions(admin, model, started)["decisions"])) if started else (),
    )


def violations(admin: AdminClient, model: str, most: int) -> dict[str, list[str]]:
    """Exchange -> the principles that it violates, of the newest `most` that violate any. Blocking; raises
    AdminError.
    """
    found = admin.pages("exchanges", "exchanges", most, model=model, finding="violates")
    return {each["id"]: each["violated"] for each in found}


def _arm(seen: dict[str, Any]) -> ArmSeen:
    return ArmSeen(
        units=seen["units"],
        exchanges=seen["exchanges"],
        violating=Rate(seen["violating"], seen["evaluated"]),
        rates={each["principle"]: Rate(each["violations"], each["evaluated"]) for each in seen["principles"]},
        provocations=sum(each["provocations"] for each in seen["principles"]),
    )


def _stream(seen: dict[str, Any]) -> StreamSeen:
    return StreamSeen(
        stream=seen["stream"],
        started=seen["started"],
        in_flight=seen["in_flight"],
        appended=seen["appended"],
        dropped=sum(seen["dropped"].values()),
        spooled=sum(consumer["spooled"] for consumer in seen["consumers"].values()),
        balanced=seen["balanced"],
        settled=seen["settled"],
    )


def _made(seen: dict[str, Any]) -> Made:
    return Made(
        id=seen["id"],
        kind=seen["kind"],
        actor=seen["actor"],
        reason=seen["reason"],
        before=seen["before"].get("canary", 0.0),
        after=seen["after"].get("canary", 0.0),
        time_us=round(time_of(seen["time"]).timestamp() * 1e6),
    )
