"""Feedback as a client sends it: JSON to values, or the one thing that is wrong with it.

Whoever knows an exchange's id may speak of it: the id has 62 random bits, and only the answer's header
`x-tipstaff-exchange` told it. So the id is checked for its shape and for the time inside it, and nothing is
looked up. Scores are in [0, 1], higher is worse, as a guardrail `feedback:NAME` takes them.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core.errors import GatewayError, invalid_body
from gateway.core.exchange import Reason
from gateway.core.ids import id_time_us

BODY_BYTES = 64 << 10
MOST = 100
KEPT_US = 30 * 86_400_000_000
"""How long after its exchange feedback is taken."""
SKEW_US = 60_000_000
"""How far the clock of the gateway that made an id may be ahead of this one's."""

_EXCHANGE = r"\A[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}\Z"
METRIC_NAME = r"\A[a-z0-9_.-]{1,64}\Z"
_KEY = r"\A[\x21-\x7e]{1,64}\Z"
_FIX = (
    "Send {exchange_id, metric, value, id}, or a list of at most 100: the id from x-tipstaff-exchange, a name of "
    "a-z 0-9 _ . -, a number from 0 (good) to 1 (bad), and if you like an id of your own."
)


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one exchange. `id`: the client's own, so that the same sent twice counts once."""

    exchange_id: Annotated[str, Meta(pattern=_EXCHANGE)]
    metric: Annotated[str, Meta(pattern=METRIC_NAME)]
    value: Annotated[float, Meta(ge=0, le=1)]
    id: Annotated[str, Meta(pattern=_KEY)] | None = None


_decoder = msgspec.json.Decoder(Annotated[list[Given], Meta(min_length=1, max_length=MOST)] | Given)


def read(body: bytes, key: str | None, now_us: int) -> tuple[Given, ...]:
    """What `body` says; `key`: the request's Idempotency-Key, the id of what has none of its own.

    In a list each gets `key` and its place. Raises GatewayError (400), naming the place.
    """
    if key is not None and not re.match(_KEY, key):
        raise invalid_body("Idempotency-Key is not 1 to 64 visible characters.", _FIX, param="idempotency-key")
    try:
        said = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise invalid_body(f"This is not feedback: {error}.", _FIX) from error
    if isinstance(said, Given):
        return (_named(_timely(said, "$", now_us), key),)
    return tuple(
        _named(_timely(one, f"$[{place}]", now_us), None if key is None else f"{key}.{place}")
        for place, one in enumerate(said)
    )


def _timely(given: Given, place: str, now_us: int) -> Given:
    made_us = id_time_us(given.exchange_id)
    if made_us > now_us + SKEW_US:
        raise invalid_body("The exchange's id is of the future.", _FIX, param=f"{place}.exchange_id")
    if made_us < now_us - KEPT_US:
        raise invalid_body(
            "The exchange is older than 30 days.", "Send feedback sooner.", param=f"{place}.exchange_id"
        )
    return given


def _named(given: Given, key: str | None) -> Given:
    return given if key is None or given.id is not None else msgspec.structs.replace(given, id=key)


def no_room() -> GatewayError:
    """503: feedback that cannot be recorded now; none of the request's was taken."""
    return GatewayError(
        503,
        "feedback_full",
        "The record of feedback takes no more now, and nothing of this request was taken.",
        "Send it again later, with the same ids.",
        headers=(("retry-after", "5"),),
        reason=Reason.LIMIT,
    )


def too_much(seconds: int) -> GatewayError:
    """429: over `feedback.per_minute`; none of the request's was taken."""
    return GatewayError(
        429,
        "too_much_feedback",
        "This client sends more feedback than feedback.per_minute, and nothing of this request was taken.",
        f"Send it again after {seconds} s, or let the operator raise feedback.per_minute.",
        headers=(("retry-after", str(seconds)),),
        reason=Reason.LIMIT,
    )
