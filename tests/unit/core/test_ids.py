import uuid

from gateway.core.ids import exchange_id, id_time_us


def test_an_id_is_a_uuid_of_version_7() -> None:
    identifier = exchange_id(1_700_000_000_123_456, b"\xff" * 10)
    parsed = uuid.UUID(identifier)
    assert (len(identifier), parsed.version, parsed.variant) == (32, 7, uuid.RFC_4122)


def test_its_time_can_be_read_back_to_the_millisecond() -> None:
    assert id_time_us(exchange_id(1_700_000_000_123_456, b"\0" * 10)) == 1_700_000_000_123_000


def test_ids_differ_by_their_entropy() -> None:
    made = {exchange_id(5, number.to_bytes(8, "big")) for number in range(100)}
    assert len(made) == 100
