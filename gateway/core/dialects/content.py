"""Content parts, and what they say: text is read, everything else is named as unread."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from gateway.core.dialects.values import Role

_KINDS: Final = {
    "image_url": "image",
    "input_image": "image",
    "image_pil": "image",
    "image_embeds": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "audio_embeds": "audio",
    "video_url": "video",
    "input_file": "file",
    "image_generation_call": "image",
    "document": "file",
}
_SILENT: Final = frozenset({"reasoning", "redacted_thinking", "item_reference"})
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


class Part(msgspec.Struct):
    """One part of a message's content, of any dialect: only the fields that may hold text."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    thinking: str | None = None
    content: Any = None
    source: Any = None


Content = str | list[str | Part] | None


class Said(msgspec.Struct):
    """What parts say, gathered."""

    text: list[str]
    reasoning: list[str]
    unread: dict[str, None]

    def joined(self) -> str:
        """All of the text."""
        return "\n".join(part for part in self.text if part)


def said(content: Content) -> Said:
    """What `content` says."""
    gathered = Said([], [], {})
    if isinstance(content, str):
        gathered.text.append(content)
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            gathered.text.append(part)
        else:
            _add(gathered, part)
    return gathered


def _add(gathered: Said, part: Part) -> None:
    texts = [text for text in (part.text, part.refusal) if text is not None]
    if texts:
        gathered.text.extend(texts)
    elif part.thinking is not None:
        gathered.reasoning.append(part.thinking)
    elif (inner := _document(part)) is not None:
        gathered.text.append(inner)
    elif part.type not in _SILENT:
        gathered.unread[kind(part.type)] = None


def _document(part: Part) -> str | None:
    """The text of a plain-text document or a search result."""
    source = part.source
    if isinstance(source, dict) and source.get("type") == "text" and isinstance(source.get("data"), str):
        return str(source["data"])
    return loose_text(part.content) if part.type in ("search_result", "document") else None


def loose_text(value: object) -> str | None:
    """The text of a string, or of a list of parts with text; None where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "\n".join(texts) if texts else None
    return None


def kind(type_: str) -> str:
    """The common name for a type of part that is not read."""
    return _KINDS.get(type_, type_ or "part")


def role(name: str) -> Role:
    """The common name of a role; an unknown one counts as the user's."""
    return _ROLES.get(name, "user")


def call(name: str | None, arguments: object) -> str:
    """A tool call as one line of text: `name arguments`."""
    return f"{name or ''} {json_text(arguments)}".strip()


def json_text(value: object) -> str:
    """A string as it is, None as nothing, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def merged(*unread: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(name for names in unread for name in names))
