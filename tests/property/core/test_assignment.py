from hypothesis import given
from hypothesis import strategies as st

from gateway.core.assignment import assign, bucket, unit_hash
from gateway.core.routing import ArmShare, ModelRoute, RoutingTable, split

WEIGHTS = st.floats(0, 1)
PLACES = st.floats(0, 1, exclude_max=True)


def route(weight: float) -> ModelRoute:
    return ModelRoute(b"s", split(("stable", "canary"), {"canary": weight}), "config", 0)


@given(WEIGHTS, WEIGHTS, PLACES)
def test_raising_the_weight_moves_nobody_off_the_canary(one: float, other: float, place: float) -> None:
    low, high = sorted((one, other))
    if assign(route(low), place) == "canary":
        assert assign(route(high), place) == "canary"
    if assign(route(high), place) == "stable":
        assert assign(route(low), place) == "stable"


@given(st.binary(max_size=64), st.binary(min_size=16, max_size=16))
def test_a_bucket_is_below_one(salt: bytes, unit: bytes) -> None:
    assert 0.0 <= bucket(salt, unit) < 1.0


@given(st.binary(max_size=64), st.binary(max_size=100), st.binary(max_size=100))
def test_units_are_told_apart(key: bytes, one: bytes, other: bytes) -> None:
    same = unit_hash(key, "user", one) == unit_hash(key, "user", other)
    assert same == (one == other)
    assert unit_hash(key, "user", one) != unit_hash(key, "request", one)


@given(WEIGHTS)
def test_shares_add_up(weight: float) -> None:
    shares = split(("stable", "canary", "third"), {"canary": weight})
    assert abs(sum(share.weight for share in shares) - 1.0) < 1e-9
    assert [share.arm for share in shares] == ["stable", "canary", "third"]
    assert shares[1] == ArmShare("canary", weight)


@given(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_only_a_strictly_newer_table_of_the_same_store_replaces(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    new, old = RoutingTable("store", *one, {}), RoutingTable("store", *other, {})
    assert new.replaces(old) == (one > other)
    assert new.replaces(None)
    assert not RoutingTable("another", 9, 9, {}).replaces(old)
