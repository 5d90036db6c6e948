"""/v1/messages: Anthropic's dialect. One answer, made of blocks."""

from typing import Any, Final

import msgspec

from gateway.core.dialects.content import Content, Part, Said, call, loose_text, role, said
from gateway.core.dialects.reading import error_text, events, is_stream, json_value, whole_json
from gateway.core.dialects.values import Answer, Asked, Body, Replied, Turn, Usage

_TOOL_USES: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


class Block(Part):
    """A content block: a part, a tool's use, or what the tool gave."""

    name: str | None = None
    input: Any = None


class Message(msgspec.Struct):
    """One message of the request."""

    role: str = "user"
    content: str | list[str | Block] | None = None


class Request(msgspec.Struct):
    """What is read of a request."""

    messages: list[Message] = []
    system: Content = None


class TokenUsage(msgspec.Struct):
    """The server's count."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class Delta(msgspec.Struct):
    """The next piece of a block, or of the message itself."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Reply(msgspec.Struct):
    """A response."""

    type: str = ""
    content: str | list[str | Block] | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None
    error: Any = None


class Event(msgspec.Struct):
    """One event of a streamed response."""

    type: str = ""
    index: int = 0
    message: Reply | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: TokenUsage | None = None
    error: Any = None


_REQUEST: Final = msgspec.json.Decoder(Request)
_REPLY: Final = msgspec.json.Decoder(Reply)
_EVENT: Final = msgspec.json.Decoder(Event)


def asked(body: Body) -> Asked:
    """The system prompt, then the turns; what tools gave is a turn of its own, before what the user says."""
    request = whole_json(_REQUEST, body)
    turns: list[Turn] = []
    system = said(request.system)
    if system.joined() or system.unread:
        turns.append(Turn("system", system.joined(), tuple(system.unread)))
    for message in request.messages:
        turns.extend(_turns(message))
    return Asked(tuple(turns))


def _turns(message: Message) -> list[Turn]:
    turns: list[Turn] = []
    calls: list[str] = []
    rest: list[str | Part] = []
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, Block) and block.type.endswith("tool_result"):
            turns.append(_result(block))
        elif isinstance(block, Block) and block.type in _TOOL_USES:
            calls.append(call(block.name, block.input))
        else:
            rest.append(block)
    if rest or calls or not turns:
        parts = said(message.content if isinstance(message.content, str) else rest)
        parts.text.extend(calls)
        turns.append(Turn(role(message.role), parts.joined(), tuple(parts.unread)))
    return turns


def _result(block: Block) -> Turn:
    """What a tool gave: its text, and what else is in it."""
    inner = block.content if isinstance(block.content, list) else []
    others = [str(part.get("type", "part")) for part in inner if isinstance(part, dict) and "text" not in part]
    unread = tuple(dict.fromkeys(others)) if inner else ()
    return Turn("tool", loose_text(block.content) or "", unread)


class _Growing:
    """The answer so far: each block's text in its pieces."""

    def __init__(self) -> None:
        self.blocks: dict[int, Block] = {}
        self.pieces: dict[int, list[str]] = {}
        self.stop_reason = ""
        self.stopped = False
        self.errors: list[str] = []
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None

    def take(self, event: Event) -> None:
        """One event of a stream."""
        if event.error is not None:
            self.errors.append(error_text(event.error))
        if event.message is not None:
            self.take_whole(event.message)
        if event.content_block is not None:
            self.blocks[event.index] = event.content_block
        if event.delta is not None:
            self.stop_reason = event.delta.stop_reason or self.stop_reason
            self._add(event.index, event.delta)
        self._count(event.usage)
        self.stopped = self.stopped or event.type == "message_stop"

    def _add(self, index: int, delta: Delta) -> None:
        for text, type_ in ((delta.text, "text"), (delta.thinking, "thinking"), (delta.partial_json, "tool_use")):
            if text is not None:
                self.blocks.setdefault(index, Block(type=type_))
                self.pieces.setdefault(index, []).append(text)

    def take_whole(self, reply: Reply) -> None:
        """A response, or the empty one that a stream starts with."""
        content = [Block(type="text", text=reply.content)] if isinstance(reply.content, str) else reply.content
        for index, block in enumerate(content or ()):
            self.blocks[index] = Block(type="text", text=block) if isinstance(block, str) else block
        if reply.error is not None:
            self.errors.append(error_text(reply.error))
        self.stop_reason = reply.stop_reason or self.stop_reason
        self._count(reply.usage)

    def _count(self, usage: TokenUsage | None) -> None:
        if usage is not None:
            self.input_tokens = usage.input_tokens if usage.input_tokens is not None else self.input_tokens
            self.output_tokens = usage.output_tokens if usage.output_tokens is not None else self.output_tokens

    def reply(self) -> Replied:
        """What it came to; no blocks and no end is no answer."""
        counted = self.input_tokens is not None or self.output_tokens is not None
        usage = Usage(self.input_tokens or 0, self.output_tokens or 0) if counted else None
        error = "\n".join(self.errors)
        if not self.blocks and not self.stop_reason:
            return Replied((), (), error, usage)
        gathered = Said([], [], {})
        calls: list[str] = []
        for index in sorted(self.blocks):
            _read(self.blocks[index], "".join(self.pieces.get(index, ())), gathered, calls)
        answer = Answer(
            "".join(gathered.text),
            "\n".join(text for text in gathered.reasoning if text),
            tuple(calls),
            self.stop_reason,
            complete=bool(self.stop_reason) or self.stopped,
        )
        return Replied((answer,), tuple(gathered.unread), error, usage)


def _read(block: Block, pieces: str, gathered: Said, calls: list[str]) -> None:
    """One block and the pieces that were added to it."""
    if block.type in _TOOL_USES:
        calls.append(call(block.name, pieces or block.input))
    elif block.type == "text":
        gathered.text.append((block.text or "") + pieces)
    elif block.type == "thinking":
        gathered.reasoning.append((block.thinking or "") + pieces)
    else:
        parts = said([block])
        gathered.text.extend([*parts.text, pieces])
        gathered.unread.update(parts.unread)


def replied(body: Body, _: Asked) -> Replied:
    """The one answer."""
    growing = _Growing()
    if is_stream(body):
        for text in events(body):
            growing.take(json_value(_EVENT, text))
    else:
        growing.take_whole(whole_json(_REPLY, body))
        growing.stopped = True
    return growing.reply()
