"""A bound on what the admin port reads of a request."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.controller.problems import Problem

MOST_BYTES = 1 << 20


class BodyLimit:
    """ASGI middleware: 413 for a body of over `most` bytes, 411 for one that does not say how long it is.

    A body cannot be longer than it says: the server reads no further.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge by the headers alone."""
        problem = self._problem(Headers(scope=scope))
        await (self._app if problem is None else problem.response())(scope, receive, send)

    def _problem(self, headers: Headers) -> Problem | None:
        if "transfer-encoding" in headers:
            return Problem(411, "length", "The body's length is missing", "Send the body with a Content-Length")
        if int(headers.get("content-length", "0")) > self._most:
            return Problem(413, "too-large", "The body is too large", f"At most {self._most} bytes are read here")
        return None
