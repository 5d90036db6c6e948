"""A raw exchange as a classifier reads it, or the reason why it cannot be read."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import Why
from gateway.core import dialects
from gateway.core.dialects import Body, Decoded, DecodeError
from gateway.core.dialects.reading import json_value, plain
from gateway.core.exchange import Reason
from gateway.events.bodies import body
from gateway.events.schema import ExchangeV1

_WHY: Final = {
    "malformed": Why.UNDECODABLE,
    "truncated": Why.TRUNCATED,
    "too_large": Why.TOO_LONG,
    "unsupported_encoding": Why.UNDECODABLE,
    "unsupported_route": Why.UNDECODABLE,
}
_NOT_ANSWER_PARTS: Final = frozenset({"request", "previous_response", "background", "conversations"})
"""What a decoder names as unread beside the kinds of answer parts that hold no text."""
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


class Readable(msgspec.Struct, frozen=True):
    """An exchange that can be read. `names`: raw user ids inside it -> the hash, in hex, that stands for them."""

    exchange: Exchange
    names: Mapping[str, str]


def decode(exchange: ExchangeV1) -> Readable | Why:
    """Read it, in whichever dialect it was.

    NO_TEXT: the answer is an error, or the model's setting keeps no text (`record: metadata`), or the model
    said nothing. INCOMPLETE: it broke off before anything could be read.
    """
    if exchange.status >= 400 or exchange.request.kept is None or exchange.response.kept is None:
        return Why.NO_TEXT
    request, response = body(exchange.request), body(exchange.response)
    broken_off = exchange.reason is not Reason.COMPLETE
    try:
        decoded = dialects.decode(exchange.route, request, response)
    except DecodeError as error:
        why = _WHY[error.why]
        return Why.INCOMPLETE if broken_off and why is Why.UNDECODABLE else why
    if not decoded.answers:
        return Why.INCOMPLETE if broken_off else Why.NO_TEXT
    return Readable(_exchange(exchange, decoded), dict(_names(exchange, request)))


def _exchange(exchange: ExchangeV1, decoded: Decoded) -> Exchange:
    unread = tuple(kind for kind in decoded.unread if kind not in _NOT_ANSWER_PARTS)
    return Exchange(
        id=exchange.id,
        turns=tuple(Turn(turn.role, turn.text, turn.unread) for turn in decoded.turns),
        answers=tuple(
            Answer(each.text, each.reasoning, each.tool_calls, each.finish_reason, each.complete, unread)
            for each in decoded.answers
        ),
        model=exchange.model,
        truncated=exchange.request.truncated or exchange.response.truncated,
    )


def _names(exchange: ExchangeV1, request: Body) -> Iterator[tuple[str, str]]:
    """What the request's body calls its user. (What a header called it was never recorded.)"""
    try:
        body = json_value(_OBJECT, plain(request).content)
    except DecodeError:
        return  # cut off: then its turns are not kept either
    source, _, key = exchange.assignment.unit_source.partition(":")
    metadata = body.get("metadata")
    values = [body.get("user"), body.get("safety_identifier"), body.get(key) if source == "body" else None]
    values.append(metadata.get("user_id") if isinstance(metadata, dict) else None)
    for value in values:
        if isinstance(value, str | int | float):
            yield str(value), exchange.key
