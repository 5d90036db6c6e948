"""Who decides the weights: operator > decision > config. Pure: from what is stored and wished to a new table.

`safety` stands where a store was lost: every arm but the first waits at 0 until an operator speaks, for nobody
can say any more whether an arm had been rolled back.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.controller.past import Past
from gateway.core.routing import ArmShare, DecidedBy, ModelRoute, RoutingTable, split
from gateway.events.schema import DecisionV1, WeightChanged
from gateway.ports import Head
from gateway.rollout.decision import Decision


class Wish(msgspec.Struct, frozen=True):
    """What the configuration says of one model: its arms, the baseline first, shares in [0, 1], and versions."""

    arms: tuple[str, ...]
    weights: dict[str, float]
    versions: dict[str, str] = {}


class Change(msgspec.Struct, frozen=True):
    """One model's new route; None: the model is gone. `actor` is who made the change, for the decision."""

    model: str
    before: ModelRoute | None
    after: ModelRoute | None
    decided_by: DecidedBy
    actor: str
    reason: str


def at_start(
    stored: RoutingTable | None,
    wishes: Mapping[str, Wish],
    now_us: int,
    salt: Callable[[], bytes],
    *,
    lost: bool,
    pasts: Mapping[str, Past],
) -> list[Change]:
    """What must change before the first table of this run is published; empty: the stored one stays.

    `lost`: a store lived at this data path and is gone. `salt` makes a new one, random, per model. `pasts`: of the
    models that have had rollouts.
    """
    routes = {} if stored is None else stored.models
    gone = [_removed(model, route) for model, route in routes.items() if model not in wishes]
    changes = (
        _first(model, wish, pasts.get(model, Past()), now_us, salt(), lost=lost)
        if (route := routes.get(model)) is None
        else _again(model, route, wish, pasts.get(model, Past()), now_us)
        for model, wish in wishes.items()
    )
    return [*gone, *(change for change in changes if change is not None)]


def by_operator(
    model: str, route: ModelRoute, weights: Mapping[str, float], now_us: int, *, actor: str, reason: str
) -> Change:
    """An operator's word: shares in [0, 1] of all arms that shall have any. The salt stays, so raising moves
    units onto an arm and none off it. Raises ValueError as `core.routing.split` does.
    """
    arms = split(tuple(share.arm for share in route.arms), dict(weights))
    after = ModelRoute(route.salt, arms, "operator", now_us, reason)
    return Change(model, route, after, "operator", actor, reason)


def by_rollout(
    model: str, route: ModelRoute, arms: tuple[str, str], share: float, salt: bytes | None, made: Decision
) -> Change:
    """A rollout's decision: the second of `arms` gets `share` of all units, in [0, 1], the first the rest.

    `salt` deals everyone anew; None leaves the one in force.
    """
    shares = split(tuple(each.arm for each in route.arms), {arms[0]: 1.0 - share, arms[1]: share})
    by: DecidedBy = "decision" if made.actor == "tipstaff" else "operator"
    after = ModelRoute(route.salt if salt is None else salt, shares, by, made.time_us, made.reason)
    return Change(model, route, after, by, made.actor, made.reason)


def put_back(model: str, route: ModelRoute, found: ModelRoute, made: Decision) -> Change:
    """A drill's end: `found`, the route from before it, whose word it was, and who is on which arm."""
    after = msgspec.structs.replace(found, arms=_fitted(found, tuple(each.arm for each in route.arms)))
    return Change(model, route, after, after.decided_by, made.actor, made.reason)


def revised(stored: RoutingTable | None, changes: Sequence[Change], head: Head) -> RoutingTable:
    """`stored` with `changes`, under the version that `head` moves to."""
    models = {} if stored is None else dict(stored.models)
    for change in changes:
        if change.after is None:
            models.pop(change.model, None)
        else:
            models[change.model] = change.after
    return RoutingTable(head.store_id, head.epoch, head.version + 1, models)


def decision(change: Change, identifier: str, now_us: int, table_version: int) -> DecisionV1:
    """The record of a change; its `previous` is set by the store."""
    return DecisionV1(
        id=identifier,
        time_us=now_us,
        model=change.model,
        decided_by=change.decided_by,
        actor=change.actor,
        reason=change.reason,
        weights=WeightChanged(_shares(change.before), _shares(change.after)),
        table_version=table_version,
        previous="",
    )


def _shares(route: ModelRoute | None) -> dict[str, float]:
    return {} if route is None else {share.arm: share.weight for share in route.arms}


def _first(model: str, wish: Wish, past: Past, now_us: int, salt: bytes, *, lost: bool) -> Change:
    if lost and len(wish.arms) > 1:
        reason = "the state of this data folder was lost: an operator sets the weights"
        route = ModelRoute(salt, split(wish.arms, {}), "safety", now_us, reason)
        return Change(model, None, route, "safety", "tipstaff", reason)
    reason = "first start with this model"
    route = ModelRoute(salt, _wished(wish, past), "config", now_us, reason)
    return Change(model, None, route, "config", "config", reason)


def _again(model: str, route: ModelRoute, wish: Wish, past: Past, now_us: int) -> Change | None:
    changed = "the configuration changed"
    if _replaced(route, wish, past):
        # The arm has another server behind its name: the weight was about the one that was promoted.
        changed = f"{past.version}, which was promoted, is no longer {past.arm!r}: the configuration has the word"
        after = ModelRoute(route.salt, _wished(wish, past), "config", now_us, changed)
    elif route.decided_by == "config":
        after = ModelRoute(route.salt, _wished(wish, past), "config", now_us, changed)
    else:
        # The config takes arms away and adds them; whose word the weights are, and since when, stays.
        after = msgspec.structs.replace(route, arms=_fitted(route, wish.arms))
    return None if after.arms == route.arms else Change(model, route, after, "config", "config", changed)


def _replaced(route: ModelRoute, wish: Wish, past: Past) -> bool:
    """Whether a promotion's weights are in force, and its arm is configured as another version by now, or not."""
    promoted = past.promoted_us and route.decided_at_us == past.promoted_us
    return bool(promoted) and wish.versions.get(past.arm) != past.version


def _wished(wish: Wish, past: Past) -> tuple[ArmShare, ...]:
    """The configuration's shares; 0 for a version that a rollout did not prove: only an operator, or another
    rollout, brings it back.
    """
    weights = {
        arm: 0.0 if wish.versions.get(arm) in past.unproven else weight for arm, weight in wish.weights.items()
    }
    return split(wish.arms, weights)


def _fitted(route: ModelRoute, arms: tuple[str, ...]) -> tuple[ArmShare, ...]:
    """`route` for other arms: who stays keeps the weight, who is new gets 0, the first takes the rest."""
    return split(arms, {arm: route.weight(arm) for arm in arms[1:]})


def _removed(model: str, route: ModelRoute) -> Change:
    return Change(model, route, None, "config", "config", "the configuration no longer has this model")
