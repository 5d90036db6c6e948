"""/v1/responses: items in, items out; one answer. In a stream, what is said later about an item replaces it."""

from typing import Any, Final

import msgspec

from gateway.core.dialects.content import Content, Said, call, kind, loose_text, merged, role, said
from gateway.core.dialects.reading import error_text, events, is_stream, json_value, whole_json
from gateway.core.dialects.values import Answer, Asked, Body, Replied, Turn, Usage

_SILENT: Final = frozenset({"mcp_list_tools", "compaction", "item_reference"})
_TEXT_DELTAS: Final = frozenset(
    {"response.output_text.delta", "response.refusal.delta", "response.audio.transcript.delta"}
)
_UNREAD_DELTAS: Final = {"response.audio.delta": "audio", "response.image_generation_call.partial_image": "image"}
_ENDED: Final = frozenset({"completed", "incomplete"})
_AWAITED: Final = frozenset({"queued", "in_progress"})


class Item(msgspec.Struct):
    """One item of input or output: a message, a call, what a tool gave, or reasoning."""

    type: str = "message"
    role: str | None = None
    content: Content = None
    name: str | None = None
    arguments: Any = None
    input: Any = None
    code: str | None = None
    action: Any = None
    output: Any = None
    summary: list[Any] | None = None


class Request(msgspec.Struct):
    """What is read of a request."""

    input: str | list[Item] | None = None
    instructions: str | list[Item] | None = None
    previous_response_id: str | None = None
    prompt: Any = None


class TokenUsage(msgspec.Struct):
    """The server's count."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class Incomplete(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class Reply(msgspec.Struct):
    """A response object."""

    output: list[Item] | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    usage: TokenUsage | None = None


class Event(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: Any = None
    item: Item | None = None
    response: Reply | None = None
    error: Any = None
    message: str | None = None


_REQUEST: Final = msgspec.json.Decoder(Request)
_REPLY: Final = msgspec.json.Decoder(Reply)
_EVENT: Final = msgspec.json.Decoder(Event)


def asked(body: Body) -> Asked:
    """Instructions as a system turn, then the input's turns."""
    request = whole_json(_REQUEST, body)
    turns = [*_turns(request.instructions, "system"), *_turns(request.input, "user")]
    unread = ["previous_response"] if request.previous_response_id else []
    if request.prompt is not None:
        unread.append("prompt")
    return Asked(tuple(turns), tuple(unread))


def _turns(given: str | list[Item] | None, speaker: str) -> list[Turn]:
    if isinstance(given, str):
        return [Turn(role(speaker), given)] if given else []
    return [turn for item in given or () if (turn := _turn(item, speaker)) is not None]


def _turn(item: Item, speaker: str) -> Turn | None:
    if item.type == "message":
        parts = said(item.content)
        return Turn(role(item.role or speaker), parts.joined(), tuple(parts.unread))
    if _is_call(item):
        return Turn("assistant", _called(item))
    if item.type == "reasoning" or item.type in _SILENT:
        return None
    text = loose_text(item.output)
    return Turn("tool", text or "", () if text is not None else (kind(item.type),))


def _is_call(item: Item) -> bool:
    """True for what the model asked a tool to do, whichever tool; a generated image is an answer."""
    return item.type.endswith("_call") and item.type != "image_generation_call"


def _called(item: Item) -> str:
    arguments = next(
        (given for given in (item.arguments, item.input, item.code, item.action) if given is not None), None
    )
    return call(item.name or item.type, arguments)


_Place = tuple[int, int, str]
"""Of a delta within its item: content index, summary index, the event's type."""


class _Output:
    """The output so far: items by their index, and for items not yet whole the deltas."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.deltas: dict[int, dict[_Place, list[str]]] = {}

    def replace(self, index: int, item: Item) -> None:
        """An item, whole as of now."""
        self.items[index] = item
        self.deltas.pop(index, None)

    def add(self, event: Event) -> None:
        """A piece of an item; the event's type says of what."""
        place = (event.content_index, event.summary_index, event.type)
        pieces = self.deltas.setdefault(event.output_index, {}).setdefault(place, [])
        pieces.append(event.delta if isinstance(event.delta, str) else "")

    def answer(self, status: str, incomplete: str | None) -> tuple[Answer, Said]:
        """Everything that was said, in the order of the items."""
        gathered = Said([], [], {})
        calls: list[str] = []
        for index in sorted(self.items.keys() | self.deltas.keys()):
            item, deltas = self.items.get(index), sorted(self.deltas.get(index, {}).items())
            if item is not None and deltas and _is_call(item):
                arguments = "".join(piece for _, pieces in deltas for piece in pieces)
                calls.append(call(item.name or item.type, arguments))
                continue
            if item is not None:
                _read(item, gathered, calls)
            for place, pieces in deltas:
                _read_delta(place[2], "".join(pieces), gathered, calls)
        answer = Answer(
            gathered.joined(),
            "\n".join(text for text in gathered.reasoning if text),
            tuple(text for text in calls if text),
            incomplete or status,
            complete=status in _ENDED,
        )
        return answer, gathered


def _read(item: Item, gathered: Said, calls: list[str]) -> None:
    if item.type == "message":
        parts = said(item.content)
        gathered.text.extend(parts.text)
        gathered.unread.update(parts.unread)
    elif item.type == "reasoning":
        gathered.reasoning.extend(filter(None, (loose_text(item.summary), said(item.content).joined())))
    elif _is_call(item):
        calls.append(_called(item))
    elif item.type not in _SILENT:
        gathered.unread[kind(item.type)] = None


def _read_delta(type_: str, text: str, gathered: Said, calls: list[str]) -> None:
    if type_ in _TEXT_DELTAS:
        gathered.text.append(text)
    elif type_ in _UNREAD_DELTAS:
        gathered.unread[_UNREAD_DELTAS[type_]] = None
    elif "reasoning" in type_:
        gathered.reasoning.append(text)
    else:
        calls.append(text)


def replied(body: Body, _: Asked) -> Replied:
    """The one answer; none while it is only promised (background), or when the server failed at once."""
    output = _Output()
    final = Reply()
    errors: list[str] = []
    if is_stream(body):
        for text in events(body):
            final = _follow(output, final, json_value(_EVENT, text), errors)
    else:
        final = whole_json(_REPLY, body)
    for index, item in enumerate(final.output or ()):
        output.replace(index, item)
    if final.error is not None:
        errors.append(error_text(final.error))
    return _reply(output, final, errors)


def _follow(output: _Output, final: Reply, event: Event, errors: list[str]) -> Reply:
    """Take one event in; returns the latest response object."""
    if event.type == "error" or (event.error is not None and event.response is None):
        errors.append(event.message or error_text(event.error))
    elif event.item is not None:
        output.replace(event.output_index, event.item)
    elif event.type.endswith(".delta") or event.type in _UNREAD_DELTAS:
        output.add(event)
    return event.response or final


def _reply(output: _Output, final: Reply, errors: list[str]) -> Replied:
    usage = None if final.usage is None else Usage(final.usage.input_tokens or 0, final.usage.output_tokens or 0)
    if not output.items and not output.deltas:
        waiting = ("background",) if final.status in _AWAITED else ()
        return Replied((), waiting, "\n".join(errors), usage)
    incomplete = final.incomplete_details.reason if final.incomplete_details is not None else None
    answer, gathered = output.answer(final.status or "", incomplete)
    return Replied((answer,), merged(gathered.unread), "\n".join(errors), usage)
