"""/v1/chat/completions, and vLLM's batch of them: one conversation, or several, with one choice for each."""

from typing import Any, Final

import msgspec

from gateway.core.dialects.content import Content, call, json_text, merged, role, said
from gateway.core.dialects.reading import error_text, is_stream, replies, whole_json
from gateway.core.dialects.values import BROKEN_OFF, Answer, Asked, Body, Replied, Turn, Usage


class Function(msgspec.Struct):
    """A function call, whole or the next piece of one."""

    name: str | None = None
    arguments: Any = None


class Custom(msgspec.Struct):
    """A call of a custom tool."""

    name: str | None = None
    input: Any = None


class ToolCall(msgspec.Struct):
    """One of a message's tool calls, whole or the next piece of one."""

    index: int | None = None
    function: Function | None = None
    custom: Custom | None = None


class Audio(msgspec.Struct):
    """A spoken answer: only its transcript is read."""

    transcript: str | None = None


class Message(msgspec.Struct):
    """A message, or a streamed delta of one."""

    role: str | None = None
    content: Content = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: Audio | None = None


class Request(msgspec.Struct):
    """What is read of a request."""

    messages: list[Message | list[Message]] = []


class Choice(msgspec.Struct):
    """One choice: `message` when whole, `delta` when streamed."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class TokenUsage(msgspec.Struct):
    """The server's count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Reply(msgspec.Struct):
    """A response, or one event of a streamed one."""

    choices: list[Choice] | None = None
    usage: TokenUsage | None = None
    error: Any = None
    object: str | None = None
    message: str | None = None


_REQUEST: Final = msgspec.json.Decoder(Request)
_REPLY: Final = msgspec.json.Decoder(Reply)


class Call:
    """A tool call that grows."""

    def __init__(self) -> None:
        self.name = ""
        self.arguments: list[str] = []

    def add(self, name: str | None, arguments: object) -> None:
        """The next piece."""
        self.name += name or ""
        self.arguments.append(json_text(arguments))

    def __str__(self) -> str:
        return call(self.name, "".join(self.arguments))


class Growing:
    """One choice, gathered from a message or from the deltas of one."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, Call] = {}
        self._last = -1
        self.unread: dict[str, None] = {}
        self.finish_reason = ""

    def add(self, message: Message) -> None:
        """The next piece."""
        if isinstance(message.content, str):
            self.text.append(message.content)
        else:
            parts = said(message.content)
            self.text.append(parts.joined())
            self.reasoning.extend(parts.reasoning)
            self.unread.update(parts.unread)
        self.refusal.append(message.refusal or "")
        self.reasoning.append(message.reasoning or message.reasoning_content or "")
        if message.audio is not None:
            self.text.append(message.audio.transcript or "")
            self.unread["audio"] = None
        if message.function_call is not None:
            self._call(-1).add(message.function_call.name, message.function_call.arguments)
        for piece in message.tool_calls or ():
            self._add_call(piece)

    def _add_call(self, piece: ToolCall) -> None:
        growing = self._call(self._position(piece))
        if piece.function is not None:
            growing.add(piece.function.name, piece.function.arguments)
        if piece.custom is not None:
            growing.add(piece.custom.name, piece.custom.input)

    def _position(self, piece: ToolCall) -> int:
        """Its index; without one, a piece that has a name begins the next call."""
        if piece.index is not None:
            self._last = piece.index
        elif self._last < 0 or any(part is not None and part.name for part in (piece.function, piece.custom)):
            self._last += 1
        return self._last

    def _call(self, position: int) -> Call:
        return self.calls.setdefault(position, Call())

    def answer(self, *, streamed: bool) -> Answer:
        """What it came to. A stream has to say that it ended; what came whole is whole."""
        texts = ("".join(self.text), "".join(self.refusal))
        return Answer(
            "\n".join(text for text in texts if text),
            "".join(self.reasoning),
            tuple(str(self.calls[position]) for position in sorted(self.calls)),
            self.finish_reason,
            complete=not streamed if not self.finish_reason else self.finish_reason not in BROKEN_OFF,
        )


def asked(body: Body) -> Asked:
    """The request's turns."""
    request = whole_json(_REQUEST, body)
    several = [entry for entry in request.messages if isinstance(entry, list)]
    messages = [
        message for entry in request.messages for message in (entry if isinstance(entry, list) else [entry])
    ]
    return Asked(tuple(_turn(message) for message in messages), ("conversations",) if len(several) > 1 else ())


def _turn(message: Message) -> Turn:
    """What a message says, and what tools it called."""
    growing = Growing()
    growing.add(message)
    answer = growing.answer(streamed=False)
    text = "\n".join(part for part in (answer.text, *answer.tool_calls) if part)
    return Turn(role(message.role or "user"), text, tuple(growing.unread))


def replied(body: Body, _: Asked) -> Replied:
    """The reply's choices, in the order of their indices."""
    choices: dict[int, Growing] = {}
    errors: list[str] = []
    usage: TokenUsage | None = None
    streamed = is_stream(body)
    for reply in replies(_REPLY, body):
        for choice in reply.choices or ():
            _add_choice(choices.setdefault(choice.index, Growing()), choice)
        errors.extend(_errors(reply))
        usage = reply.usage or usage
    unread = merged(*(growing.unread for growing in choices.values()))
    answers = tuple(choices[index].answer(streamed=streamed) for index in sorted(choices))
    return Replied(answers, unread, "\n".join(errors), counted(usage))


def _add_choice(growing: Growing, choice: Choice) -> None:
    for message in (choice.message, choice.delta):
        if message is not None:
            growing.add(message)
    growing.finish_reason = choice.finish_reason or growing.finish_reason


def _errors(reply: Reply) -> list[str]:
    """What went wrong, in the shape of today's servers or of old ones."""
    if reply.error is not None:
        return [error_text(reply.error)]
    return [reply.message or "error"] if reply.object == "error" else []


def counted(usage: TokenUsage | None) -> Usage | None:
    """Tokens under the names used here."""
    return None if usage is None else Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
