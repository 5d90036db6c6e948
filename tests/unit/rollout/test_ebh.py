"""e-BH on lists small enough to be done by hand."""

from math import log10

import pytest

from gateway.rollout.ebh import rejected


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([], []),
        ([19.0], []),
        ([20.0], [0]),
        ([39.0, 1.0], []),
        ([40.0, 1.0], [0]),
        ([20.0, 20.0], [0, 1]),
        ([1.0, 30.0, 25.0, 30.0], []),
        ([27.0, 30.0, 1.0, 45.0], [0, 1, 3]),
        ([1.0, 100.0], [1]),
    ],
)
def test_the_k_largest_need_hypotheses_over_k_alpha(values: list[float], places: list[int]) -> None:
    assert rejected([log10(value) for value in values], 0.05) == places
