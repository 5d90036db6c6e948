"""A finished exchange, read: whichever dialect it was in."""

from collections.abc import Callable
from typing import Final

from gateway.core.dialects import chat, completions, messages, responses
from gateway.core.dialects.content import merged
from gateway.core.dialects.reading import plain
from gateway.core.dialects.values import Asked, Body, Decoded, DecodeError, Replied
from gateway.core.exchange import Route

_DIALECTS: Final[dict[Route, tuple[Callable[[Body], Asked], Callable[[Body, Asked], Replied]]]] = {
    Route.CHAT: (chat.asked, chat.replied),
    Route.COMPLETIONS: (completions.asked, completions.replied),
    Route.RESPONSES: (responses.asked, responses.replied),
    Route.MESSAGES: (messages.asked, messages.replied),
}


def decode(route: Route, request: Body, response: Body) -> Decoded:
    """The turns and answers of one exchange. Slow (milliseconds for a long stream): never on the proxy's loop.

    A truncated request leaves the answers readable: its turns are missing and `unread` says `request`. A stream
    that broke off gives answers that are not complete. Raises DecodeError, and nothing else on any bytes.
    """
    if route not in _DIALECTS:
        raise DecodeError("unsupported_route", f"{route} is not read")
    asked_by, replied_by = _DIALECTS[route]
    asked = _asked(asked_by, plain(request))
    answer = plain(response)
    replied = replied_by(answer, asked) if answer.content else Replied(())
    return Decoded(asked.turns, replied.answers, merged(asked.unread, replied.unread), replied.error, replied.usage)


def _asked(read: Callable[[Body], Asked], request: Body) -> Asked:
    return Asked((), ("request",)) if request.truncated else read(request)
