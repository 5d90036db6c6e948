from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.rate_limit import RateLimit


def test_a_burst_then_the_rate() -> None:
    limit = RateLimit(60, 5)
    assert limit.take(b"a", 5, 0.0) == 0
    assert limit.take(b"a", 2, 0.0) == 2.0
    assert limit.take(b"a", 2, 1.0) == 1.0, "a refusal costs nothing"
    assert limit.take(b"a", 2, 2.0) == 0
    assert limit.take(b"a", 5, 1000.0) == 0
    assert limit.take(b"a", 1, 1000.0) > 0, "a long rest gives one burst, not more"


def test_clients_do_not_share() -> None:
    limit = RateLimit(60, 1)
    assert limit.take(b"a", 1, 0.0) == limit.take(b"b", 1, 0.0) == 0
    assert limit.take(b"a", 1, 0.0) == 1.0


def test_the_table_forgets_who_was_quiet_for_longest() -> None:
    limit = RateLimit(60, 1, most_clients=2)
    for client in (b"a", b"b"):
        assert limit.take(client, 1, 0.0) == 0
    assert limit.take(b"a", 1, 0.0) > 0
    assert limit.take(b"c", 1, 0.0) == 0
    assert limit.take(b"a", 1, 0.0) > 0, "it was not the quietest"
    assert limit.take(b"b", 1, 0.0) == 0
    assert len(limit._buckets) == 2


@given(st.lists(st.tuples(st.integers(1, 10), st.floats(0, 30)), max_size=60))
def test_never_more_than_burst_and_rate_allow(asked: list[tuple[int, float]]) -> None:
    limit, now, taken = RateLimit(90, 10), 0.0, 0
    for count, pause in asked:
        now += pause
        wait = limit.take(b"a", count, now)
        if not wait:
            taken += count
        elif limit.take(b"a", count, now + wait + 1e-6) == 0:
            now += wait + 1e-6
            taken += count
        else:
            raise AssertionError("the wait that was told was not enough")
        assert taken <= 10 + 1.5 * now + 1e-6
