"""How far exchanges are scored, from what batches say of their producers."""

import pytest

from gateway.ports import Batch, Entry
from gateway.scoring.horizon import Horizon
from tests.support.events import exchange


def batch(watermarks: dict[str, int], *busy: str, also: tuple[str, ...] = ()) -> Batch:
    entries = tuple(Entry(producer, 0, 1, exchange(1)) for producer in busy)
    return Batch(entries, dict.fromkeys((*watermarks, *busy, *also), 1), watermarks)


def test_it_is_the_least_of_what_is_known_of_the_living() -> None:
    horizon = Horizon(frozenset({"proxy-0", "proxy-1"}))
    horizon.see(batch({"proxy-0": 50, "proxy-1": 40}))
    assert horizon.time_us == 40


def test_one_of_the_living_that_says_nothing_holds_it_back() -> None:
    horizon = Horizon(frozenset({"proxy-0", "proxy-1"}))
    horizon.see(batch({"proxy-0": 50}))
    assert horizon.time_us == 0
    horizon.see(batch({"proxy-0": 60, "proxy-1": 45}))
    horizon.see(batch({"proxy-0": 90}, also=("proxy-1",)))
    assert horizon.time_us == 45


def test_one_that_is_gone_holds_it_back_until_what_it_left_is_scored() -> None:
    horizon = Horizon(frozenset({"proxy-0"}))
    horizon.see(batch({"proxy-0": 90}, also=("proxy-1",)))
    assert horizon.time_us == 0
    horizon.see(batch({"proxy-0": 91, "proxy-1": 20}, "proxy-1"))
    assert horizon.time_us == 20
    horizon.see(batch({"proxy-0": 92, "proxy-1": 25}))
    assert horizon.time_us == 92


@pytest.mark.parametrize("later", [0, 10, 49])
def test_it_never_goes_back(later: int) -> None:
    horizon = Horizon(frozenset({"proxy-0"}))
    horizon.see(batch({"proxy-0": 50}))
    horizon.see(batch({"proxy-0": later}))
    assert horizon.time_us == 50
