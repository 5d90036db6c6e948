from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.curation.labels import StratumCounts, count, judged
from gateway.curation.sampling import Stratum, allocate, place

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
