"""The guard around the admin port: refuses what may not pass, and puts the same headers on every answer."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.controller.access import Access, Asked, Asker, Refusal, check

Refused = Callable[[Asked, Refusal], None]
"""Is told of every request that did not pass; must not wait."""


class Guard:
    """ASGI middleware. Behind it `scope["state"]["asker"]` says who asks."""

    def __init__(self, app: ASGIApp, access: Access, refused: Refused) -> None:
        self._app = app
        self._access = access
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only HTTP has a place here; a WebSocket is never accepted."""
        if scope["type"] != "http":
            return
        asked = Asked.of(scope)
        found = check(asked, self._access)
        if isinstance(found, Asker):
            scope.setdefault("state", {})["asker"] = found
            await self._app(scope, receive, _with_headers(send))
            return
        self._refused(asked, found)
        await found.problem.response()(scope, receive, _with_headers(send))


_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)
"""On every answer that does not set them itself."""
_CHALLENGE = (b"www-authenticate", b'Bearer realm="tipstaff"')


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            wanted = (*_HEADERS, _CHALLENGE) if message["status"] == 401 else _HEADERS
            message = {**message, "headers": [*given, *(each for each in wanted if each[0] not in names)]}
        await send(message)

    return sending
