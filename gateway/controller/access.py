"""Who may use the admin port, and as whom: whoever has a token, or was signed in by a trusted proxy; where there is
neither, this machine.

"This machine" means a loopback peer, a Host header that names loopback (a page that rebinds its name to
127.0.0.1 sends its own name), and no sign of a proxy in between.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.controller.problems import Problem
from gateway.core.identity import NAMELESS, Identity, Right, Role, Tokens, is_name
from gateway.settings import UserHeader
from gateway.telemetry.metrics import SIGN_IN_FAILURES, Meters

_OPEN = frozenset({"/livez", "/readyz", "/runbook"})
"""Probes, which say nothing but yes or no, and what anybody may know."""
_RUNBOOK = "/runbook/"
"""What an alert links to: the same for everybody."""
_LOCAL_WITHOUT_TOKEN = frozenset({"/metrics"})
"""What a loopback peer reads without a token even where there is one: a scraper on the same machine."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_AUDIT = "/api/v1/audit"
_TABLE = "/api/v1/table"
_SHOWN = 128
_HOST = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>[^\[\]:@]+))(?::\d+)?")
_FORESEES = ("/rollout/plan", "/api/v1/constitution/diff")
"""How the paths of a POST end that changes nothing."""
_READS_TEXTS = "/api/v1/constitution/what-if"
"""A POST whose answer says what is in texts, and which changes nothing."""
ANYBODY = Identity("anybody", Role.VIEWER)
"""Who reads what is open to all."""


class Access(msgspec.Struct, frozen=True):
    """Ways to say who one is; with none of them, this machine may do everything."""

    tokens: Tokens
    users: UserHeader | None = None

    @property
    def guarded(self) -> bool:
        """Whether there is any."""
        return bool(self.tokens) or self.users is not None


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
    """Why a request does not pass. `reason` is the counter's label. `name`: who it was, where that is known."""

    reason: str
    problem: Problem
    name: str = ""


def check(asked: Asked, access: Access) -> Identity | Refusal:
    """Who asks, when they may."""
    if asked.path in _OPEN or asked.path.startswith(_RUNBOOK):
        return ANYBODY
    who = _signed_in(asked, access) if access.guarded else _here(asked)
    if isinstance(who, Refusal):
        return who
    right = needed(asked.method, asked.path)
    if not who.may(right):
        detail = f"{who.name!r} is {_article(who.role)}, and this needs the right to {right}"
        return Refusal("role", Problem(403, "role", "Not for this role", detail), who.name)
    return (None if asked.method in _SAFE else _cross_site(asked)) or who


def needed(method: str, path: str) -> Right:
    """What a request needs: to read, unless it changes something or reads texts or the audit stream."""
    if path == _AUDIT:
        return Right.AUDIT
    if path == _TABLE and method in _SAFE:
        return Right.TABLE
    if method == "POST" and path == _READS_TEXTS:
        return Right.TEXT
    if method in _SAFE or (method == "POST" and path.endswith(_FORESEES)):
        return Right.READ
    return Right.CHANGE


def _article(role: Role) -> str:
    return f"{'an' if role in (Role.AUDITOR, Role.OPERATOR) else 'a'} {role}"


def _here(asked: Asked) -> Identity | Refusal:
    if asked.local:
        return NAMELESS
    detail = (
        "Nothing is configured that says who asks, so only this machine may, by a loopback address: "
        "use http://127.0.0.1, or set admin_tokens"
    )
    return Refusal("not_local", Problem(403, "forbidden", "Not from here", detail))


def _signed_in(asked: Asked, access: Access) -> Identity | Refusal:
    says = ("authorization",) if access.users is None else ("authorization", access.users.header)
    if any(len(asked.headers.getlist(name)) > 1 for name in says):
        detail = f"One of {', '.join(says)} came more than once: who asks must be said once"
        return Refusal("repeated", Problem(400, "repeated", "Two answers to who asks", detail))
    scheme, _, given = asked.headers.get("authorization", "").partition(" ")
    given = given.strip() if scheme.lower() == "bearer" else ""
    if given and (who := access.tokens.of(given.encode("utf-8", "surrogateescape"))):
        return who
    if access.users is not None and not given and (told := _told(asked, access.users)):
        return told
    if asked.path in _LOCAL_WITHOUT_TOKEN and asked.local:
        return ANYBODY
    detail = "Send `Authorization: Bearer TOKEN`, with a token of admin_tokens or of admin_token_file"
    reason = "wrong_token" if given else "no_token"
    return Refusal(reason, Problem(401, "unauthorized", "The admin token is missing or wrong", detail))


def _told(asked: Asked, users: UserHeader) -> Identity | Refusal | None:
    """Whom a trusted proxy names; None: it names nobody, or it isn't the proxy who asks."""
    name = asked.headers.get(users.header, "")
    if not name or not any(_within(asked.peer, network) for network in users.trusted):
        return None
    role = users.roles.get(name, users.others) if is_name(name) else None
    if role is None:
        detail = f"The proxy says that you are {name[:_SHOWN]!r}, and admin_users has no role for that name"
        return Refusal("unknown_user", Problem(403, "role", "No role for this user", detail), name[:_SHOWN])
    return Identity(name, role)


def _within(peer: str | None, network: IPv4Network | IPv6Network) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network


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
    """Empty for what is none."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found["bracketed"] or found["plain"]


def _loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


Refused = Callable[[Asked, Refusal], None]
"""Is told of every request that did not pass; must not wait."""


class Guard:
    """ASGI middleware: refuses what may not pass, counts it, and puts the headers on what does.

    Behind it `scope["state"]["identity"]` says who asks.
    """

    def __init__(self, app: ASGIApp, access: Access, meters: Meters, refused: Refused) -> None:
        self._app = app
        self._access = access
        self._meters = meters
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only HTTP has a place here; a WebSocket is never accepted."""
        if scope["type"] != "http":
            return
        peer = scope["client"][0] if scope.get("client") else None
        asked = Asked(scope["method"], scope["path"], peer, Headers(scope=scope))
        found = check(asked, self._access)
        if isinstance(found, Identity):
            scope.setdefault("state", {})["identity"] = found
            await self._app(scope, receive, _with_headers(send))
            return
        self._meters.counter(SIGN_IN_FAILURES, found.reason).inc()
        self._refused(asked, found)
        answer = found.problem.response()
        if found.problem.status == 401:
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
