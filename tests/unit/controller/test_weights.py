import pytest

from gateway.controller import weights
from gateway.controller.past import Past
from gateway.controller.weights import Change, Wish
from gateway.core.assignment import assign, bucket
from gateway.core.routing import ArmShare, DecidedBy, ModelRoute, RoutingTable, split
from gateway.ports import Head

WISH = Wish(("stable", "canary"), {"canary": 0.1})
HEAD = Head("store", 2, 7)


def stored(decided_by: DecidedBy, canary: float, arms: tuple[str, ...] = ("stable", "canary")) -> RoutingTable:
    route = ModelRoute(b"old salt", split(arms, {"canary": canary}), decided_by, 5, "earlier")
    return RoutingTable("store", 1, 7, {"assistant": route})


def start(
    table: RoutingTable | None, wish: Wish = WISH, *, lost: bool = False, past: Past | None = None
) -> list[Change]:
    pasts = {} if past is None else {"assistant": past}
    return weights.at_start(table, {"assistant": wish}, 100, lambda: b"new salt", lost=lost, pasts=pasts)


def only_route(changes: list[Change]) -> ModelRoute:
    (change,) = changes
    assert change.after is not None
    return change.after


def test_a_first_start_takes_the_config() -> None:
    route = only_route(start(None))
    assert route == ModelRoute(
        b"new salt",
        (ArmShare("stable", 0.9), ArmShare("canary", 0.1)),
        "config",
        100,
        "first start with this model",
    )


def test_after_a_lost_volume_the_canary_waits_at_0() -> None:
    (change,) = start(None, lost=True)
    assert change.decided_by == "safety"
    assert change.after is not None
    assert (change.after.weight("stable"), change.after.weight("canary")) == (1.0, 0.0)
    assert change.after.decided_by == "safety"


def test_a_single_arm_has_nothing_to_wait_for_after_a_lost_volume() -> None:
    assert only_route(start(None, Wish(("stable",), {}), lost=True)).decided_by == "config"


@pytest.mark.parametrize("decided_by", ["operator", "decision", "safety"])
def test_whoever_outranks_the_config_keeps_the_word(decided_by: DecidedBy) -> None:
    canary = 0.0 if decided_by == "safety" else 0.25
    assert start(stored(decided_by, canary)) == []
    assert start(stored(decided_by, canary), Wish(("stable", "canary"), {"canary": 0.5})) == []


def test_the_same_config_changes_nothing() -> None:
    assert start(stored("config", 0.1)) == []


def test_a_changed_config_counts_where_only_the_config_spoke() -> None:
    route = only_route(start(stored("config", 0.3)))
    assert route.weight("canary") == 0.1
    assert (route.salt, route.decided_by, route.decided_at_us) == (b"old salt", "config", 100)


def test_an_arm_added_to_the_config_starts_at_0_under_an_operators_word() -> None:
    wish = Wish(("stable", "canary", "third"), {"canary": 0.1, "third": 0.2})
    route = only_route(start(stored("operator", 0.25), wish))
    assert [(share.arm, share.weight) for share in route.arms] == [
        ("stable", 0.75),
        ("canary", 0.25),
        ("third", 0.0),
    ]
    assert (route.decided_by, route.decided_at_us, route.reason) == ("operator", 5, "earlier")


def test_an_arm_taken_out_gives_its_share_to_the_baseline() -> None:
    route = only_route(start(stored("operator", 0.25), Wish(("stable",), {})))
    assert route.arms == (ArmShare("stable", 1.0),)


def test_another_baseline_keeps_everyones_share() -> None:
    route = only_route(start(stored("operator", 0.25), Wish(("canary", "stable"), {"stable": 0.5})))
    assert route.arms == (ArmShare("canary", 0.25), ArmShare("stable", 0.75))


def test_a_model_taken_out_leaves_the_table() -> None:
    changes = weights.at_start(stored("operator", 0.25), {"other": WISH}, 100, lambda: b"s", lost=False, pasts={})
    table = weights.revised(stored("operator", 0.25), changes, HEAD)
    assert list(table.models) == ["other"]
    assert (table.store_id, table.epoch, table.version) == ("store", 2, 8)


PROMOTED = Past("canary", "v2", 5)
"""By the decision that `stored` names as the one in force."""


def versions(**arms: str) -> Wish:
    names = tuple(arms)
    return Wish(names, {"canary": 0.1} if "canary" in names[1:] else {}, arms)


@pytest.mark.parametrize("arms", [{"canary": "v2", "stable": "v1"}, {"canary": "v2"}, {"stable": "v2"}])
def test_a_winner_that_became_the_baseline_has_everything(arms: dict[str, str]) -> None:
    route = only_route(start(stored("decision", 1.0), versions(**arms), past=PROMOTED))
    assert [share.weight for share in route.arms] == [1.0, *[0.0] * (len(arms) - 1)]


def test_a_newer_version_behind_the_winners_name_does_not_inherit_its_weight() -> None:
    wish = versions(stable="v2", canary="v3")
    assert wish.weights == {"canary": 0.1}
    route = only_route(start(stored("decision", 1.0), wish, past=PROMOTED))
    assert (route.weight("canary"), route.decided_by) == (0.1, "config")
    assert "v2, which was promoted, is no longer 'canary'" in route.reason
    again = RoutingTable("store", 1, 8, {"assistant": route})
    assert start(again, wish, past=PROMOTED) == []


def test_an_operators_later_word_on_it_stands() -> None:
    assert start(stored("operator", 1.0), versions(stable="v2", canary="v3"), past=Past("canary", "v2", 4)) == []


@pytest.mark.parametrize("before", [None, stored("config", 0.0)])
def test_a_version_that_no_rollout_proved_gets_nothing_by_the_configuration(before: RoutingTable | None) -> None:
    past = Past(unproven=frozenset({"v2"}))
    (route,) = [change.after for change in start(before, versions(stable="v1", canary="v2"), past=past)] or [None]
    assert route is None or route.weight("canary") == 0.0
    assert only_route(start(before, versions(stable="v1", canary="v3"), past=past)).weight("canary") == 0.1


def test_every_model_has_a_salt_of_its_own() -> None:
    salts = iter((b"one", b"two"))
    changes = weights.at_start(None, {"a": WISH, "b": WISH}, 100, lambda: next(salts), lost=False, pasts={})
    assert {change.after.salt for change in changes if change.after} == {b"one", b"two"}


def test_an_operator_raises_without_moving_anybody_off() -> None:
    route = stored("config", 0.1).models["assistant"]
    raised = weights.by_operator("assistant", route, {"canary": 0.4}, 9, actor="operator", reason="well").after
    assert raised is not None
    assert raised.decided_by == "operator"
    places = [bucket(route.salt, number.to_bytes(16, "big")) for number in range(500)]
    before = {place for place in places if assign(route, place) == "canary"}
    after = {place for place in places if assign(raised, place) == "canary"}
    assert before < after


@pytest.mark.parametrize("wrong", [{"nobody": 0.1}, {"canary": 1.5}, {"canary": -0.1}, {"stable": 0.5}])
def test_an_operators_impossible_weights_are_refused(wrong: dict[str, float]) -> None:
    route = stored("config", 0.1).models["assistant"]
    with pytest.raises(ValueError, match=r"arm|weight"):
        weights.by_operator("assistant", route, wrong, 9, actor="operator", reason="")


def test_a_decision_says_what_was_before_and_after() -> None:
    (change,) = start(stored("config", 0.3))
    record = weights.decision(change, "id", 100, 8)
    assert record.weights.before == {"stable": 0.7, "canary": 0.3}
    assert record.weights.after == {"stable": 0.9, "canary": 0.1}
    assert (record.actor, record.decided_by, record.table_version) == ("config", "config", 8)
