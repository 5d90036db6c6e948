"""/v1/completions: prompts to be continued, several choices for each."""

from typing import Any, Final

import msgspec

from gateway.core.dialects.chat import TokenUsage, counted
from gateway.core.dialects.reading import error_text, is_stream, replies, whole_json
from gateway.core.dialects.values import BROKEN_OFF, Answer, Asked, Body, Replied, Turn


class Request(msgspec.Struct):
    """What is read of a request. A prompt of token ids holds no text."""

    prompt: str | list[str | int | list[int]] | None = None
    prompt_embeds: Any = None
    suffix: str | None = None
    echo: bool | None = None
    n: int | None = None


class Choice(msgspec.Struct):
    """One choice, whole or the next piece of it."""

    index: int = 0
    text: str | None = None
    finish_reason: str | None = None


class Reply(msgspec.Struct):
    """A response, or one event of a streamed one."""

    choices: list[Choice] | None = None
    usage: TokenUsage | None = None
    error: Any = None


_REQUEST: Final = msgspec.json.Decoder(Request)
_REPLY: Final = msgspec.json.Decoder(Reply)


def asked(body: Body) -> Asked:
    """One user turn for each prompt; what a choice is to end with (`suffix`) belongs to the prompt."""
    request = whole_json(_REQUEST, body)
    prompts = _prompts(request)
    turns = tuple(_turn(prompt, request.suffix) for prompt in prompts)
    unread = ("conversations",) if len(prompts) > 1 else ()
    texts = tuple(prompt or "" for prompt in prompts)
    return Asked(turns, unread, texts, echo=bool(request.echo), choices_per_prompt=max(request.n or 1, 1))


def _prompts(request: Request) -> list[str | None]:
    """Each prompt's text; None for one of token ids or embeddings."""
    prompt = request.prompt
    embedded = request.prompt_embeds
    more: list[str | None] = [None] * (len(embedded) if isinstance(embedded, list) else int(embedded is not None))
    if isinstance(prompt, str):
        return [prompt, *more]
    if not prompt:
        return more
    if any(isinstance(entry, int) for entry in prompt):
        return [None, *more]
    return [*(entry if isinstance(entry, str) else None for entry in prompt), *more]


def _turn(prompt: str | None, suffix: str | None) -> Turn:
    text = "\n".join(part for part in (prompt, suffix) if part)
    return Turn("user", text, ("tokens",) if prompt is None else ())


def replied(body: Body, request: Asked) -> Replied:
    """The choices in the order of their indices, without the prompts that `echo` put in front."""
    texts: dict[int, list[str]] = {}
    reasons: dict[int, str] = {}
    error, usage = "", None
    for reply in replies(_REPLY, body):
        for choice in reply.choices or ():
            texts.setdefault(choice.index, []).append(choice.text or "")
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index, "")
        error = error if reply.error is None else error_text(reply.error)
        usage = reply.usage or usage
    answers = []
    for index in sorted(texts):
        text, reason = "".join(texts[index]).removeprefix(_echoed(request, index)), reasons[index]
        complete = reason not in BROKEN_OFF if reason else not is_stream(body)
        answers.append(Answer(text, finish_reason=reason, complete=complete))
    return Replied(tuple(answers), (), error, counted(usage))


def _echoed(request: Asked, index: int) -> str:
    prompt = index // request.choices_per_prompt
    return request.prompts[prompt] if request.echo and 0 <= prompt < len(request.prompts) else ""
