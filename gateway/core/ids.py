"""Identifiers: UUIDv7 (RFC 9562), so that they sort by the time they were made."""


def exchange_id(now_us: int, entropy: bytes) -> str:
    """UUIDv7 as 32 hex digits.

    `now_us`: microseconds since the epoch; `entropy`: at least 8 random bytes.
    The 12 bits after the version carry the sub-millisecond part (RFC 9562, 6.2, method 3).
    """
    milliseconds, microseconds = divmod(now_us, 1000)
    fraction = microseconds * 4096 // 1000
    tail = int.from_bytes(entropy[:8], "big") & 0x3FFF_FFFF_FFFF_FFFF
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
    return f"{value:032x}"


def id_time_us(identifier: str) -> int:
    """The time inside an id made by `exchange_id`, in microseconds since the epoch (to the millisecond)."""
    return int(identifier[:12], 16) * 1000
