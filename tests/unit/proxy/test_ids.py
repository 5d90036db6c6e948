"""Ids made in bulk are the ids that core makes one by one."""

from gateway.core.ids import exchange_id
from gateway.proxy.ids import Ids


def test_they_are_cores_ids() -> None:
    drawn = [bytes(range(number, number + 8)) for number in range(240)]
    ids = Ids(lambda size: b"".join(drawn * 2)[:size])
    for now_us in (0, 1_700_000_000_123_456, 2**48 * 1000 - 1):
        assert ids.new(now_us) in {exchange_id(now_us, entropy) for entropy in drawn}


def test_none_comes_twice_and_the_system_is_asked_once_for_many() -> None:
    asked: list[int] = []

    def counting(size: int) -> bytes:
        asked.append(size)
        return b"".join((len(asked) * 1000 + number).to_bytes(8, "big") for number in range(size // 8))

    ids = Ids(counting)
    assert len({ids.new(5) for _ in range(800)}) == 800
    assert len(asked) == 2
