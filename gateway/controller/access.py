"""Who may use the admin port, and as whom: whoever has a token, or signed in with one, or is signed in by a trusted
proxy; where none of these can be, this machine.

"This machine" means a loopback peer, a Host header that names loopback (a page that rebinds its name to
127.0.0.1 sends its own name), and no sign of a proxy in between.
"""

import re
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Self

import msgspec
from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.controller.problems import Problem
from gateway.controller.sessions import Sessions
from gateway.core.identity import NAMELESS, Identity, Right, Role, Tokens, is_name
from gateway.settings import UserHeader

_OPEN = frozenset({"/livez", "/readyz", "/runbook"})
"""Probes, which say nothing but yes or no, and what anybody may know."""
_RUNBOOK = "/runbook/"
"""What an alert links to: the same for everybody."""
_SHELL = frozenset({"/", "/dashboard"})
_DASHBOARD = "/dashboard/"
"""The page itself, which holds no data: it asks for that as whoever is signed in."""
SESSION = "/api/v1/session"
COOKIE = "tipstaff_session"
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


class By(StrEnum):
    """How it is known who asks. `machine`: nothing says it, and nothing has to."""

    TOKEN = "token"  # noqa: S105 - the way, not a secret
    SESSION = "session"
    HEADER = "header"
    MACHINE = "machine"


class Asker(msgspec.Struct, frozen=True):
    """Who asks. `until_us`: when the session ends, microseconds; None for every other way."""

    who: Identity
    by: By
    until_us: int | None = None


ANYBODY = Asker(Identity("anybody", Role.VIEWER), By.MACHINE)
"""Who reads what is open to all."""


class Access(msgspec.Struct, frozen=True):
    """Ways to say who one is; with none of them, this machine may do everything."""

    tokens: Tokens
    sessions: Sessions
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

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """What an ASGI scope of HTTP says."""
        peer = scope["client"][0] if scope.get("client") else None
        return cls(scope["method"], scope["path"], peer, Headers(scope=scope))

    @property
    def session(self) -> str:
        """The session that the browser names; empty: none."""
        return next(iter(self.sessions), "")

    @property
    def sessions(self) -> list[str]:
        """All that it names: more than one where another site of the same domain has set one too."""
        cookies = ";".join(self.headers.getlist("cookie")).split(";")
        named = (cookie.strip().partition("=") for cookie in cookies)
        return [value for name, _, value in named if name == COOKIE and value]

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


def check(asked: Asked, access: Access) -> Asker | Refusal:
    """Who asks, when they may."""
    if _open(asked):
        return ANYBODY
    if access.guarded and (asked.method, asked.path) == ("POST", SESSION):
        return _cross_site(asked) or ANYBODY
    asker = _signed_in(asked, access) if access.guarded else _here(asked)
    if isinstance(asker, Refusal):
        return asker
    who, right = asker.who, needed(asked.method, asked.path)
    if right is not None and not who.may(right):
        detail = f"{who.name!r} is {_article(who.role)}, and this needs the right to {right}"
        return Refusal("role", Problem(403, "role", "Not for this role", detail), who.name)
    return (None if asked.method in _SAFE else _cross_site(asked)) or asker


def _open(asked: Asked) -> bool:
    if asked.path in _SHELL or asked.path.startswith(_DASHBOARD):
        return asked.method in _SAFE
    return asked.path in _OPEN or asked.path.startswith(_RUNBOOK)


def needed(method: str, path: str) -> Right | None:
    """What a request needs: to read, unless it changes something or reads texts or the audit stream.

    None: nothing but that it is known who asks.
    """
    if path == SESSION:
        return None
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


def _here(asked: Asked) -> Asker | Refusal:
    if asked.local:
        return Asker(NAMELESS, By.MACHINE)
    detail = (
        "Nothing is configured that says who asks, so only this machine may, by a loopback address: "
        "use http://127.0.0.1, or set admin_tokens"
    )
    return Refusal("not_local", Problem(403, "forbidden", "Not from here", detail))


def _signed_in(asked: Asked, access: Access) -> Asker | Refusal:
    """A token is asked first, then the session that one was given for, then the proxy."""
    given = _bearer(asked)
    found = (
        _by_token(given, access.tokens)
        if given
        else _by_session(asked, access.sessions) or _by_header(asked, access.users)
    )
    return _repeated(asked, access.users) or found or _scraper(asked) or _unknown(asked, given)


def _bearer(asked: Asked) -> str:
    scheme, _, given = asked.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _repeated(asked: Asked, users: UserHeader | None) -> Refusal | None:
    says = ("authorization",) if users is None else ("authorization", users.header)
    twice = [name for name in says if len(asked.headers.getlist(name)) > 1]
    if not _bearer(asked) and len(asked.sessions) > 1:
        twice.append(f"the cookie {COOKIE}")
    if not twice:
        return None
    detail = f"{', '.join(twice)} came more than once: who asks must be said once"
    return Refusal("repeated", Problem(400, "repeated", "Two answers to who asks", detail))


def _by_token(given: str, tokens: Tokens) -> Asker | None:
    who = tokens.of(given.encode("utf-8", "surrogateescape"))
    return None if who is None else Asker(who, By.TOKEN)


def _by_session(asked: Asked, sessions: Sessions) -> Asker | Refusal | None:
    """A browser sends the cookie by itself, so it counts for no other site's page, not even to read."""
    found = sessions.find(asked.session)
    if found is None:
        return None
    return _foreign_page(asked) or Asker(found.who, By.SESSION, found.until_us)


def _scraper(asked: Asked) -> Asker | None:
    return ANYBODY if asked.path in _LOCAL_WITHOUT_TOKEN and asked.local else None


def _unknown(asked: Asked, given: str) -> Refusal:
    reason, title = "no_token", "The admin token is missing or wrong"
    detail = "Send `Authorization: Bearer TOKEN`, with a token of admin_tokens or of admin_token_file"
    if given:
        reason = "wrong_token"
    elif asked.session:
        reason, title = "session_ended", "The session has ended"
        detail = "Sign in again: its time is over, or somebody signed out, or its token is no longer one"
    return Refusal(reason, Problem(401, "unauthorized", title, detail))


def _by_header(asked: Asked, users: UserHeader | None) -> Asker | Refusal | None:
    """Whom a trusted proxy names; None: it names nobody, or it isn't the proxy who asks."""
    name = "" if users is None else asked.headers.get(users.header, "")
    if users is None or not name or not _trusted(asked, users):
        return None
    role = users.roles.get(name, users.others) if is_name(name) else None
    if role is None:
        detail = f"The proxy says that you are {name[:_SHOWN]!r}, and admin_users has no role for that name"
        return Refusal("unknown_user", Problem(403, "role", "No role for this user", detail), name[:_SHOWN])
    return Asker(Identity(name, role), By.HEADER)


def by_https(asked: Asked, users: UserHeader | None) -> bool:
    """Whether the browser came by https: its own Origin says so, or a trusted proxy does."""
    said = asked.headers.get("x-forwarded-proto", "") if users is not None and _trusted(asked, users) else ""
    return "https" in (said.strip().lower(), asked.headers.get("origin", "").partition("://")[0])


def _trusted(asked: Asked, users: UserHeader) -> bool:
    return any(_within(asked.peer, network) for network in users.trusted)


def _within(peer: str | None, network: IPv4Network | IPv6Network) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network


def _cross_site(asked: Asked) -> Refusal | None:
    """What a page of another site could have a browser send: no JSON without asking first, and its own Origin."""
    return _foreign_page(asked) or _not_json(asked)


def _not_json(asked: Asked) -> Refusal | None:
    content_type = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return None
    detail = "Send JSON with `Content-Type: application/json`"
    return Refusal("not_json", Problem(415, "media-type", "Not JSON", detail))


def _foreign_page(asked: Asked) -> Refusal | None:
    origin = asked.headers.get("origin")
    if origin is None or origin.partition("://")[2] == asked.headers.get("host"):
        return None
    return Refusal("foreign_origin", Problem(403, "forbidden", "Another site's page", f"Origin is {origin}"))


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
