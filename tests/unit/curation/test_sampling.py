from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.curation.labels import StratumCounts, count, judged
from gateway.curation.sampling import Stratum, allocate, in_turn, place

STRATA = st.builds(Stratum, st.sampled_from(["stable", "canary", "other"]), st.booleans())
A, B = Stratum("canary", flagged=False), Stratum("canary", flagged=True)


@given(st.dictionaries(STRATA, st.integers(0, 200)), st.integers(0, 500))
def test_all_are_used_and_none_is_overdrawn(populations: dict[Stratum, int], size: int) -> None:
    given_ = allocate(populations, size)
    assert given_.keys() == populations.keys()
    assert all(0 <= given_[stratum] <= populations[stratum] for stratum in populations)
    assert sum(given_.values()) == min(size, sum(populations.values()))
    open_ = [given_[stratum] for stratum in populations if given_[stratum] < populations[stratum]]
    assert not open_ or max(given_.values()) - min(open_) <= 1, "who could give more is not behind"


def test_a_small_stratum_is_taken_whole() -> None:
    assert allocate({A: 1000, B: 7}, 100) == {A: 93, B: 7}


def test_places_are_spread_evenly_and_differ_by_seed() -> None:
    """Chi-square of 16 cells over 16,000 ids: 15 degrees of freedom, 0.99999 quantile 50.5."""
    cells = Counter(place(3, f"{number:032x}") >> 59 for number in range(16_000))
    assert sum((cells[cell] - 1000) ** 2 / 1000 for cell in range(16)) < 50.5
    assert place(3, "a") != place(4, "a")
    assert place(-1, "a") == place(-1, "a")


@given(st.dictionaries(STRATA, st.integers(1, 40), min_size=1), st.integers(0, 1 << 40))
def test_each_stratum_is_spread_evenly_over_the_turns(sizes: dict[Stratum, int], seed: int) -> None:
    drawn = {f"{stratum}{number}": stratum for stratum, size in sizes.items() for number in range(size)}
    order = in_turn(seed, drawn)
    assert sorted(order) == sorted(drawn)
    for length in range(len(order)):
        met = Counter(drawn[exchange] for exchange in order[:length])
        latest = max((met[stratum] - 1) / size for stratum, size in sizes.items())
        earliest = min((met[stratum] + 1) / size for stratum, size in sizes.items())
        assert latest <= earliest, "none is ahead of another by more than its turn"


def test_whoever_labels_only_a_few_has_met_every_stratum() -> None:
    drawn = {f"{number:032x}": (A, B)[number % 2] for number in range(20)}
    for seed in range(200):
        assert {drawn[exchange] for exchange in in_turn(seed, drawn)[:3]} == {A, B}


def test_who_comes_first_is_chance() -> None:
    """Chi-square of 4 cells over 4,000 seeds: 3 degrees of freedom, 0.99999 quantile 25.9."""
    drawn = {"a": A, "b": A, "c": B, "d": B}
    first = Counter(in_turn(seed, drawn)[0] for seed in range(4000))
    assert sum((first[each] - 1000) ** 2 / 1000 for each in drawn) < 25.9


@pytest.mark.parametrize(
    ("votes", "said"),
    [([True], True), ([False], False), ([True, False], None), ([True, False, True], True), ([False, False], False)],
)
def test_most_voices_decide(votes: list[bool], *, said: bool | None) -> None:
    assert judged(votes) is said


def test_counts_per_stratum() -> None:
    drawn = {"a": A, "b": A, "c": A, "d": B}
    votes = [("a", True), ("b", True), ("b", False), ("c", False), ("elsewhere", True)]
    assert count({B: 5, A: 100}, drawn, votes) == (
        StratumCounts(A, 100, 3, 2, 1, 1),
        StratumCounts(B, 5, 1, 0, 0, 0),
    )
