from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import exchange_id, id_time_us

TIMES = st.integers(0, 2**48 * 1000 - 1)
ENTROPY = st.binary(min_size=8, max_size=16)


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_ids_sort_by_the_microsecond_they_were_made_in(one: int, other: int, a: bytes, b: bytes) -> None:
    if one < other:
        assert exchange_id(one, a) < exchange_id(other, b)


@given(TIMES, ENTROPY)
def test_the_time_is_in_the_id(time_us: int, entropy: bytes) -> None:
    assert id_time_us(exchange_id(time_us, entropy)) == time_us // 1000 * 1000
