"""What a classifier reads: the turns of a request and the answers to it, in any dialect's words."""

import unicodedata
from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class Turn(msgspec.Struct, frozen=True):
    """One message of the request. `unread` names parts that hold no text ("image", "audio", "file")."""

    role: Role
    text: str
    unread: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """One choice of the reply. `text` is what a user reads; `reasoning` and `tool_calls` are read too.

    `complete` is False when the answer broke off before the model ended it. `unread` names parts that hold no text.
    """

    text: str
    reasoning: str = ""
    tool_calls: tuple[str, ...] = ()
    finish_reason: str = ""
    complete: bool = True
    unread: tuple[str, ...] = ()

    @property
    def readable(self) -> str:
        """All that the model wrote, for matching."""
        return "\n".join(part for part in (self.text, self.reasoning, *self.tool_calls) if _visible(part))


def _visible(text: str) -> bool:
    """Whether there is anything to see: not only spaces, controls, and characters without width."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


class Exchange(msgspec.Struct, frozen=True):
    """One request with its answers: several for n > 1, none when the model gave none.

    `truncated`: more passed than was recorded, so that what is not found may still have been there.
    """

    id: str
    turns: tuple[Turn, ...]
    answers: tuple[Answer, ...]
    model: str = ""
    truncated: bool = False

    @property
    def request(self) -> str:
        """The text of the last user turn; empty when there is none."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")
