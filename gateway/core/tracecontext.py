"""W3C Trace Context: which trace an exchange belongs to, and whether it is sampled. Pure.

Source: https://www.w3.org/TR/trace-context-2/ (its random part of a trace id, 56 bits, decides about sampling as
OpenTelemetry's consistent probability sampling does, so that everyone who samples by it keeps the same traces).
"""

import re

import msgspec

_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_SAMPLED, _RANDOM = 1, 2
_RANDOM_DIGITS = 14
_RANDOM_VALUES = 1 << 56


class Trace(msgspec.Struct, frozen=True):
    """An exchange's place in a trace: ids in hex; `parent_id` is the client's span, empty where it named none.

    `random`: whoever made the trace id says that its last 56 bits are.
    """

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool
    random: bool = True

    def header(self) -> bytes:
        """`traceparent` for whoever is asked next."""
        flags = _SAMPLED * self.sampled | _RANDOM * self.random
        return b"00-%b-%b-%02x" % (self.trace_id.encode(), self.span_id.encode(), flags)

    def kept(self, *, violates: bool) -> str:
        """The id of the trace that gets a span of the exchange: it is sampled, or it violates; else empty."""
        return self.trace_id if self.sampled or violates else ""


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
            trace_id, parent_id, flags = found
            return Trace(trace_id, span_id, parent_id, bool(flags & _SAMPLED), bool(flags & _RANDOM))
        return Trace(exchange_id, span_id, "", int(exchange_id[-_RANDOM_DIGITS:], 16) >= self._least)


def _parsed(traceparent: bytes) -> tuple[str, str, int] | None:
    """Trace id, span id, flags; None for what the standard says to ignore."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == b"00" and match[5] is not None):
        return None
    trace_id, span_id = match[2].decode(), match[3].decode()
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return trace_id, span_id, int(match[4], 16)
