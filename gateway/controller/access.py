"""Who may use the admin port: whoever has the token or, where there is none, this machine.

"This machine" means a loopback peer, a Host header that names loopback (a page that rebinds its name to
127.0.0.1 sends its own name), and no sign of a proxy in between.
"""

import hmac
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_address

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.controller.problems import Problem
from gateway.telemetry.metrics import SIGN_IN_FAILURES, Meters

_OPEN = frozenset({"/livez", "/readyz"})
"""Probes: they say nothing but yes or no."""
_LOCAL_WITHOUT_TOKEN = frozenset({"/metrics"})
"""What a loopback peer reads without a token even where there is one: a scraper on the same machine."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class AdminToken:
    """The admin token; only its hash is kept."""

    def __init__(self, token: str) -> None:
        self._digest = sha256(token.encode()).digest()

    def matches(self, given: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(sha256(given.encode("utf-8", "surrogateescape")).digest(), self._digest)


class Asked(msgspec.Struct, frozen=True):
    """What of a request decides whether it may pass. `peer`: the client's address, None for a Unix socket."""

    method: str
    path: str
    peer: str | None
    headers: Headers

    @property
    def local(self) -> bool:
        """True when it comes from this machine, was meant for it, and went through nobody."""
        host = self.headers.get("host", "")
        return (
            self.peer is not None
            and _loopback(self.peer)
            and _loopback(_hostname(host))
            and not any(name in self.headers for name in _FORWARDED)
        )


class Refusal(msgspec.Struct, frozen=True):
    """Why a request does not pass. `reason` is the counter's label."""

    reason: str
    problem: Problem


def check(asked: Asked, token: AdminToken | None) -> Refusal | None:
    """None: it may pass."""
    if asked.path in _OPEN:
        return None
    refusal = _without_token(asked) if token is None else _with_token(asked, token)
    return refusal or (None if asked.method in _SAFE else _cross_site(asked))


def _without_token(asked: Asked) -> Refusal | None:
    if asked.local:
        return None
    detail = (
        "No admin_token_file is configured, so only this machine may ask, by a loopback address: "
        "use http://127.0.0.1, or set admin_token_file"
    )
    return Refusal("not_local", Problem(403, "forbidden", "Not from here", detail))


def _with_token(asked: Asked, token: AdminToken) -> Refusal | None:
    scheme, _, given = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.matches(given.strip()):
        return None
    if asked.path in _LOCAL_WITHOUT_TOKEN and asked.local:
        return None
    reason = "wrong_token" if given else "no_token"
    detail = "Send `Authorization: Bearer TOKEN` with the content of admin_token_file"
    return Refusal(reason, Problem(401, "unauthorized", "The admin token is missing or wrong", detail))


def _cross_site(asked: Asked) -> Refusal | None:
    """What a page of another site could have a browser send: no JSON without asking first, and its own Origin."""
    origin = asked.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != asked.headers.get("host"):
        return Refusal("foreign_origin", Problem(403, "forbidden", "Another site's page", f"Origin is {origin}"))
    content_type = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        detail = "Send JSON with `Content-Type: application/json`"
        return Refusal("not_json", Problem(415, "media-type", "Not JSON", detail))
    return None


def _hostname(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class Guard:
    """ASGI middleware: refuses what may not pass, counts it, and puts the headers on what does."""

    def __init__(self, app: ASGIApp, token: AdminToken | None, meters: Meters) -> None:
        self._app = app
        self._token = token
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only HTTP has a place here; a WebSocket is never accepted."""
        if scope["type"] != "http":
            return
        peer = scope["client"][0] if scope.get("client") else None
        asked = Asked(scope["method"], scope["path"], peer, Headers(scope=scope))
        refusal = check(asked, self._token)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
            return
        self._meters.counter(SIGN_IN_FAILURES, refusal.reason).inc()
        answer = refusal.problem.response()
        if refusal.problem.status == 401:
            answer.headers["www-authenticate"] = 'Bearer realm="tipstaff"'
        await answer(scope, receive, _with_headers(send))


_HEADERS: Iterable[tuple[bytes, bytes]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending
