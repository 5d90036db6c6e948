"""e-BH against its definition, and with what it promises."""

from math import log10

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout.ebh import rejected


@given(st.lists(st.floats(-5, 6), max_size=30), st.floats(0.001, 0.5))
def test_it_is_the_largest_set_whose_every_member_reaches_its_share(values: list[float], alpha: float) -> None:
    size = len(values)
    sizes = [k for k in range(1, size + 1) if sum(each >= log10(size / (k * alpha)) for each in values) >= k]
    found = rejected(values, alpha)
    assert len(found) == max(sizes, default=0)
    if found:
        assert min(values[place] for place in found) >= max(
            (value for place, value in enumerate(values) if place not in found), default=-10.0
        )


def test_few_of_the_rejected_are_true_however_they_depend_on_each_other() -> None:
    random = np.random.default_rng(8)
    shares = []
    for _ in range(2000):
        common = random.normal()
        null = np.exp(2 * common - 2) * np.ones(15)  # e-values that are all one and the same, mean 1
        real = np.exp(3 * (random.normal(size=5) + 3) - 4.5)
        found = rejected(np.log10(np.concatenate((null, real))).tolist(), 0.1)
        shares.append(sum(place < 15 for place in found) / max(len(found), 1))
    assert float(np.mean(shares)) <= 0.1
