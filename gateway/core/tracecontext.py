"""W3C Trace Context: which trace an exchange belongs to, and whether it is sampled. Pure.

Source: https://www.w3.org/TR/trace-context-2/ (its random part of a trace id, 56 bits, decides about sampling as
OpenTelemetry's consistent probability sampling does, so that everyone who samples by it keeps the same traces).
"""

import re

import msgspec

_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_RANDOM_DIGITS = 14
_RANDOM_VALUES = 1 << 56


class Trace(msgspec.Struct, frozen=True):
    """An exchange's place in a trace: ids in hex; `parent_id` is the client's span, empty where it named none."""

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool

    def header(self) -> bytes:
        """`traceparent` for whoever is asked next."""
        return b"00-%b-%b-%b" % (self.trace_id.encode(), self.span_id.encode(), b"01" if self.sampled else b"00")


class Sampler:
    """Gives each exchange its trace. A client's own goes on, and is sampled as the client says; a new one bears the
    exchange's id, and `share` of them, in [0, 1], is sampled.
    """

    __slots__ = ("_least",)

    def __init__(self, share: float) -> None:
        self._least = round((1.0 - share) * _RANDOM_VALUES)

    def trace(self, exchange_id: str, traceparent: bytes | None) -> Trace:
        """`exchange_id`: 32 hex digits, whose last 56 bits are random; `traceparent`: as the client sent it."""
        span_id = exchange_id[16:]
        found = None if traceparent is None else _parsed(traceparent)
        if found is not None:
            return Trace(found[0], span_id, found[1], found[2])
        return Trace(exchange_id, span_id, "", int(exchange_id[-_RANDOM_DIGITS:], 16) >= self._least)


def _parsed(traceparent: bytes) -> tuple[str, str, bool] | None:
    """Trace id, span id, whether it is sampled; None for what the standard says to ignore."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == b"00" and match[5] is not None):
        return None
    trace_id, span_id = match[2].decode(), match[3].decode()
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return trace_id, span_id, bool(int(match[4], 16) & 1)
