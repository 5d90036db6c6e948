from collections import Counter
from hashlib import blake2b
from math import sqrt

import pytest

from gateway.core.assignment import assign, bucket, unit_hash
from gateway.core.routing import ArmShare, ModelRoute, split

UNITS = [unit_hash(b"key", "user", f"user-{number}".encode()) for number in range(20_000)]


def route(**shares: float) -> ModelRoute:
    arms = tuple(ArmShare(arm, weight) for arm, weight in shares.items())
    return ModelRoute(salt=b"salt", arms=arms, decided_by="config", decided_at_us=0)


def fits(counts: list[int], cells: int, freedom: int) -> bool:
    """Chi-square against equal shares: within four standard deviations (2 x freedom is its variance)."""
    mean = sum(counts) / cells
    padded = counts + [0] * (cells - len(counts))
    return sum((count - mean) ** 2 for count in padded) / mean < freedom + 4 * sqrt(2 * freedom)


def test_buckets_are_uniform() -> None:
    counts = Counter(int(bucket(b"salt", unit) * 64) for unit in UNITS)
    assert fits(list(counts.values()), 64, 63)


def test_a_new_salt_draws_anew() -> None:
    pairs = Counter((int(bucket(b"one", unit) * 8), int(bucket(b"two", unit) * 8)) for unit in UNITS)
    assert fits(list(pairs.values()), 64, 63)
    same = Counter((int(bucket(b"one", unit) * 8), int(bucket(b"one", unit) * 8)) for unit in UNITS)
    assert not fits(list(same.values()), 64, 63)


def test_shares_get_what_they_weigh() -> None:
    arms = [assign(route(stable=0.9, canary=0.1), bucket(b"salt", unit)) for unit in UNITS]
    expected, deviation = len(arms) * 0.1, sqrt(len(arms) * 0.1 * 0.9)
    assert abs(arms.count("canary") - expected) < 4 * deviation


def test_an_auditor_can_recompute_it() -> None:
    unit = blake2b(b"user\x00ada", key=b"secret").digest()[:16]
    assert unit_hash(b"secret", "user", b"ada") == unit
    place = int.from_bytes(blake2b(unit, key=b"salt").digest()[:8], "big") / 2**64
    assert bucket(b"salt", unit) == place
    assert unit_hash(b"secret", "conversation", b"ada") != unit


def test_the_edges_of_the_unit_interval() -> None:
    half = route(stable=0.5, canary=0.5)
    assert assign(half, 0.0) == "canary"
    assert assign(half, 0.5) == "stable"
    assert assign(half, 1.0 - 2.0**-53) == "stable"
    assert assign(route(stable=0.0, canary=1.0), 1.0 - 2.0**-53) == "canary"
    assert assign(route(stable=1.0, canary=0.0), 0.0) == "stable"


def test_an_arm_without_weight_gets_nobody() -> None:
    arms = {assign(route(stable=0.5, idle=0.0, canary=0.5), place / 1000) for place in range(1000)}
    assert arms == {"stable", "canary"}


def test_arms_own_one_stretch_after_another() -> None:
    both = ModelRoute(b"s", split(("stable", "canary", "third"), {"canary": 0.4, "third": 0.6}), "config", 0)
    assert [assign(both, place) for place in (0.0, 0.39, 0.41, 0.99)] == ["canary", "canary", "third", "third"]


def test_no_hash_reaches_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Highest:
        def digest(self) -> bytes:
            return b"\xff" * 64

    monkeypatch.setattr("gateway.core.assignment.blake2b", lambda *_, **__: Highest())
    assert bucket(b"salt", b"unit") < 1.0


def test_split_gives_the_first_arm_the_rest() -> None:
    assert split(("stable", "canary"), {"canary": 0.1}) == (ArmShare("stable", 0.9), ArmShare("canary", 0.1))
    assert split(("only",), {}) == (ArmShare("only", 1.0),)
    assert split(("stable", "canary"), {"canary": 1.0})[0].weight == 0.0


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"other": 0.1}, "unknown arm"),
        ({"canary": 1.1}, "give 0 to 100"),
        ({"canary": -0.1}, "give 0 to 100"),
        ({"canary": float("nan")}, "give 0 to 100"),
        ({"canary": 0.6, "third": 0.6}, "add up to 120 %"),
        ({"stable": 0.5, "canary": 0.1}, "takes the rest, 90 %"),
        ({"canary": 0.1, "third": 0.1}, "at most two arms"),
    ],
)
def test_split_refuses_what_cannot_be(weights: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        split(("stable", "canary", "third"), weights)
