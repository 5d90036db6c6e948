"""What stays the same over the turns of one conversation: its instructions and the first thing the user said.

An ordinary chat client sends the whole conversation with every request and no id for it. The material here is the
same bytes each time, so that its hash is a unit. A client that drops old turns, or puts the time of day into its
instructions, starts a new conversation by this rule.
"""

from typing import Any, Final

import msgspec

from gateway.core.exchange import Route

_ABSENT: Final = msgspec.Raw(b"null")
_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_TEXT_PARTS: Final = frozenset({"text", "input_text"})
_MARKERS: Final = frozenset({"cache_control"})
"""Keys that clients move from turn to turn without meaning anything by it."""


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = _ABSENT


class _Chat(msgspec.Struct):
    messages: list[_Message] = []


class _Messages(msgspec.Struct):
    messages: list[_Message] = []
    system: msgspec.Raw = _ABSENT


class _Responses(msgspec.Struct):
    input: str | list[_Message] = ""
    instructions: msgspec.Raw = _ABSENT


_CHAT: Final = msgspec.json.Decoder(_Chat)
_MESSAGES: Final = msgspec.json.Decoder(_Messages)
_RESPONSES: Final = msgspec.json.Decoder(_Responses)
_ANY: Final = msgspec.json.Decoder()


def first_turn(route: Route, body: bytes) -> bytes | None:
    """Hash material of the conversation that `body` goes on with; None where there is no such thing.

    Content given as a string or as one text part is the same content. Never raises on any bytes: a body that
    cannot be read so has no conversation, and its server will refuse it.
    """
    try:
        turn = _opening(route, body)
        return None if turn is None else msgspec.json.encode(turn)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _opening(route: Route, body: bytes) -> list[Any] | None:
    """[instructions..., what the user said first], each a list of its parts."""
    if route is Route.CHAT:
        return _before_first_answer([], _CHAT.decode(body).messages)
    if route is Route.MESSAGES:
        asked = _MESSAGES.decode(body)
        return _before_first_answer(_given(asked.system), asked.messages)
    if route is Route.RESPONSES:
        given = _RESPONSES.decode(body)
        if isinstance(given.input, str):
            return [*_given(given.instructions), [given.input]] if given.input else None
        return _before_first_answer(_given(given.instructions), given.input)
    return None


def _given(instructions: msgspec.Raw) -> list[Any]:
    parts = _parts(instructions)
    return [parts] if parts else []


def _before_first_answer(opening: list[Any], messages: list[_Message]) -> list[Any] | None:
    for message in messages:
        if message.role in _INSTRUCTIONS:
            opening.append(_parts(message.content))
        elif message.role == "user":
            opening.append(_parts(message.content))
            return opening
    return None


def _parts(content: msgspec.Raw) -> list[Any]:
    """A string is one text part; a text part is its text; any other part is itself, keys in order."""
    value = _ANY.decode(content)
    if value is None:
        return []
    return [_part(part) for part in value] if isinstance(value, list) else [_part(value)]


def _part(part: object) -> object:
    if not isinstance(part, dict):
        return part
    if part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str):
        return part["text"]
    return sorted((key, value) for key, value in part.items() if key not in _MARKERS)
