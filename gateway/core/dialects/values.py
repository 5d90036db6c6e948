"""What decoding a finished exchange gives: the request's turns and the answers, whatever the dialect."""

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]

Why = Literal["malformed", "truncated", "too_large", "unsupported_encoding", "unsupported_route"]


class DecodeError(Exception):
    """An exchange that cannot be read. `why` is a stable word for records; the text holds no content."""

    def __init__(self, why: Why, what: str) -> None:
        super().__init__(f"{why}: {what}")
        self.why = why


class Body(msgspec.Struct, frozen=True):
    """One body as it passed. `truncated`: more passed than is in `content`."""

    content: bytes
    content_type: str = ""
    content_encoding: str = ""
    truncated: bool = False


class Turn(msgspec.Struct, frozen=True):
    """One message of the request. `unread` names parts that hold no text (`image`, `audio`, ...)."""

    role: Role
    text: str
    unread: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """One choice of the reply. `tool_calls`: one `name arguments` for each.

    `finish_reason` is the dialect's word. `complete` is False when the answer broke off: its stream ended without
    one, or the server gave it up. An answer that ended at a length limit is complete.
    """

    text: str
    reasoning: str = ""
    tool_calls: tuple[str, ...] = ()
    finish_reason: str = ""
    complete: bool = True


BROKEN_OFF = frozenset({"abort", "error"})
"""Finish reasons of a server that gave an answer up."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the server counted them."""

    input_tokens: int
    output_tokens: int


class Decoded(msgspec.Struct, frozen=True):
    """One exchange, read. No answers: the server gave none, and says why in `error` where it did.

    `unread` names what is missing beside the turns' own parts: `request` (it was truncated), `previous_response`
    (earlier turns are elsewhere), `background` (the answer comes later), `conversations` (several in one request:
    which answer belongs to which turn is lost), or a kind of answer part that holds no text (`audio`, ...).
    """

    turns: tuple[Turn, ...]
    answers: tuple[Answer, ...]
    unread: tuple[str, ...] = ()
    error: str = ""
    usage: Usage | None = None


class Asked(msgspec.Struct, frozen=True):
    """The request's half: `prompts` are the texts that completions are asked for, with `echo` repeated in front."""

    turns: tuple[Turn, ...]
    unread: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    echo: bool = False
    choices_per_prompt: int = 1


class Replied(msgspec.Struct, frozen=True):
    """The reply's half."""

    answers: tuple[Answer, ...]
    unread: tuple[str, ...] = ()
    error: str = ""
    usage: Usage | None = None
