"""The routing table: the one value that comes back to the proxies."""

from typing import Literal

import msgspec

DecidedBy = Literal["operator", "decision", "config", "safety"]
"""`operator` > `decision` > `config`; `safety`: state was lost, so the canary waits at 0 for one of the others."""


class ArmShare(msgspec.Struct, frozen=True):
    """An arm and the unconditional share of units, in [0, 1], that it is meant to receive."""

    arm: str
    weight: float


class ModelRoute(msgspec.Struct, frozen=True):
    """How one model's units are split. The first arm is the baseline: its weight is what the others leave."""

    salt: bytes
    arms: tuple[ArmShare, ...]
    decided_by: DecidedBy
    decided_at_us: int
    reason: str = ""

    def weight(self, arm: str) -> float:
        """The share of `arm`; 0.0 for an arm that the table does not know."""
        return next((share.weight for share in self.arms if share.arm == arm), 0.0)


class RoutingTable(msgspec.Struct, frozen=True):
    """Every model's split, under a version that only grows within one (store id, epoch)."""

    store_id: str
    epoch: int
    version: int
    models: dict[str, ModelRoute]

    def replaces(self, other: "RoutingTable | None") -> bool:
        """True when this table may take the place of `other`: the same store, and strictly newer."""
        if other is None:
            return True
        return self.store_id == other.store_id and (self.epoch, self.version) > (other.epoch, other.version)


def split(arms: tuple[str, ...], weights: dict[str, float]) -> tuple[ArmShare, ...]:
    """Shares for `arms` in their order: the first takes what `weights` (shares in [0, 1]) leaves to it.

    Raises ValueError when an arm is unknown, a weight is outside [0, 1], the sum is over 1, or more than two
    arms would have traffic.
    """
    unknown = weights.keys() - set(arms)
    if unknown:
        raise ValueError(f"unknown arm {min(unknown)!r}: the arms are {', '.join(arms)}")
    wrong = [arm for arm, weight in weights.items() if not 0.0 <= weight <= 1.0]
    if wrong:
        raise ValueError(f"the weight of {wrong[0]!r} is {weights[wrong[0]] * 100:g} %: give 0 to 100")
    others = {arm: weights.get(arm, 0.0) for arm in arms[1:]}
    rest = 1.0 - sum(others.values())
    if rest < -1e-9:
        raise ValueError(f"the weights add up to {(1.0 - rest) * 100:g} %: at most 100 can be given away")
    rest = min(max(rest, 0.0), 1.0)
    given = weights.get(arms[0])
    if given is not None and abs(given - rest) > 1e-9:
        raise ValueError(
            f"{arms[0]!r} is the first arm and takes the rest, {rest * 100:g} %, not {given * 100:g} %"
        )
    if sum(weight > 0 for weight in (rest, *others.values())) > 2:
        raise ValueError("at most two arms can have traffic: set the others to 0")
    return (ArmShare(arms[0], rest), *(ArmShare(arm, weight) for arm, weight in others.items()))
