"""How a stream's segments roll, how much they may take, and how long they are kept."""

from collections.abc import Mapping

import msgspec

from gateway.events.schema import Stream

_MIB = 1 << 20
_DAY = 86_400.0


class StreamPolicy(msgspec.Struct, frozen=True):
    """Seconds and bytes of one producer's part of a stream.

    A segment is closed at `roll_seconds` or `roll_bytes`. It is unlinked once every configured consumer has
    passed it and its last event is older than `keep_seconds`; sooner, oldest first, where `max_bytes` would
    be crossed; never before it was consumed. What is set aside as damaged goes after `aside_seconds`.
    """

    roll_seconds: float = 3600.0
    roll_bytes: int = 256 * _MIB
    max_bytes: int = 4096 * _MIB
    keep_seconds: float = 7 * _DAY
    aside_seconds: float = 7 * _DAY


RAW = StreamPolicy(roll_seconds=300.0, roll_bytes=64 * _MIB, keep_seconds=0.0, aside_seconds=3600.0)
"""Raw text is a hand-over: gone as soon as it was scored, at most a segment's age later."""


def policies(retention_days: float = 7.0) -> Mapping[Stream, StreamPolicy]:
    """The policy of every stream."""
    kept = StreamPolicy(keep_seconds=retention_days * _DAY)
    return {"exchanges": RAW, "verdicts": kept, "feedback": kept, "decisions": kept, "audit": kept}
