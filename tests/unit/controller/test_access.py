from pathlib import Path

import pytest
from starlette.datastructures import Headers

from gateway.controller.access import Access, Asked, Asker, By, Refusal, by_https, check, needed
from gateway.controller.sessions import Sessions
from gateway.core.identity import NAMELESS, Identity, Right, Role, Tokens, digest
from gateway.settings import UserHeader
from tests.support.manual_clock import ManualClock

VIC = Identity("vic", Role.VIEWER)


def access(tokens: dict[str, Identity], users: UserHeader | None = None, file: Path | None = None) -> Access:
    """Without a `file` nobody can be signed in."""
    known = Tokens({digest(token): who for token, who in tokens.items()})
    return Access(known, Sessions(file or Path("/nowhere/sessions"), known, ManualClock(), 60), users)


OPEN = access({})
TOKEN = access({"s3cret": NAMELESS, "v1ew": VIC})
PROXY = access(
    {"s3cret": NAMELESS},
    UserHeader.model_validate(
        {"trusted": ["10.1.0.0/16", "fd00::/8"], "roles": {"ada": "operator", "aud": "auditor"}}
    ),
)


def asked(
    path: str = "/api/v1/status", method: str = "GET", peer: str | None = "127.0.0.1", **headers: str
) -> Asked:
    given = {"host": "127.0.0.1:9191", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Asked(method, path, peer, Headers(given))


def reason(request: Asked, access: Access = OPEN) -> str | None:
    found = check(request, access)
    return found.reason if isinstance(found, Refusal) else None


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:9191", "localhost:9191", "LOCALHOST", "[::1]:9191", "127.0.0.1"])
def test_without_a_token_this_machine_may_ask(peer: str, host: str) -> None:
    assert reason(asked(peer=peer, host=host)) is None


@pytest.mark.parametrize("peer", ["10.0.0.5", "8.8.8.8", "::ffff:10.0.0.5", "fe80::1", None, "not an address"])
def test_without_a_token_nobody_else_may(peer: str | None) -> None:
    assert reason(asked(peer=peer)) == "not_local"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:9191",
        "",
        "[::2]",
        "0.0.0.0",
        "[127.0.0.1]evil.example",
        "localhost:80@evil.example",
    ],
)
def test_a_name_rebound_to_loopback_is_refused(host: str) -> None:
    assert reason(asked(host=host)) == "not_local"


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
def test_what_came_through_a_proxy_is_not_local(name: str) -> None:
    assert reason(asked(**{name: "127.0.0.1"})) == "not_local"


def test_with_a_token_it_is_the_token_that_counts() -> None:
    assert reason(asked(), TOKEN) == "no_token"
    assert reason(asked(authorization="Bearer wrong"), TOKEN) == "wrong_token"
    assert reason(asked(authorization="Basic s3cret"), TOKEN) == "no_token"
    assert reason(asked(authorization="Bearer"), TOKEN) == "no_token"
    assert reason(asked(authorization="Bearer s3cret"), TOKEN) is None
    assert reason(asked(authorization="bearer  s3cret "), TOKEN) is None
    assert reason(asked(peer="10.0.0.5", host="gateway.example", authorization="Bearer s3cret"), TOKEN) is None


def test_metrics_need_no_token_on_this_machine_only() -> None:
    assert reason(asked("/metrics"), TOKEN) is None
    assert reason(asked("/metrics", peer="10.0.0.5"), TOKEN) == "no_token"
    assert reason(asked("/metrics", host="evil.example"), TOKEN) == "no_token"
    assert reason(asked("/metrics", peer="10.0.0.5", authorization="Bearer s3cret"), TOKEN) is None
    assert reason(asked("/metrics", peer="10.0.0.5")) == "not_local"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_open(path: str) -> None:
    assert reason(asked(path, peer="10.0.0.5", host="10.0.0.9"), TOKEN) is None
    assert reason(asked(path, peer="10.0.0.5", host="10.0.0.9")) is None


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_what_changes_something_is_json_from_no_other_site(method: str) -> None:
    json = "application/json; charset=utf-8"
    assert reason(asked(method=method, content_type=json)) is None
    assert reason(asked(method=method, content_type=json, origin="http://127.0.0.1:9191")) is None
    assert reason(asked(method=method, content_type=json, origin="https://evil.example")) == "foreign_origin"
    assert reason(asked(method=method, content_type=json, origin="null")) == "foreign_origin"
    assert reason(asked(method=method, content_type=json, origin="http://127.0.0.1:8000")) == "foreign_origin"
    assert reason(asked(method=method, content_type="text/plain")) == "not_json"
    assert reason(asked(method=method)) == "not_json"


def test_who_asks_has_a_name_and_a_role_and_it_is_said_how_that_is_known() -> None:
    assert check(asked(), OPEN) == Asker(NAMELESS, By.MACHINE)
    assert check(asked(authorization="Bearer s3cret"), TOKEN) == Asker(NAMELESS, By.TOKEN)
    assert check(asked(authorization="Bearer v1ew"), TOKEN) == Asker(VIC, By.TOKEN)


def test_a_role_that_may_not_is_refused_by_name() -> None:
    found = check(asked("/api/v1/models/m/weights", "PUT", authorization="Bearer v1ew"), TOKEN)
    assert isinstance(found, Refusal)
    assert (found.reason, found.name, found.problem.status) == ("role", "vic", 403)
    assert "'vic' is a viewer, and this needs the right to change" in found.problem.detail


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/api/v1/status", Right.READ),
        ("HEAD", "/metrics", Right.READ),
        ("GET", "/api/v1/audit", Right.AUDIT),
        ("GET", "/api/v1/table", Right.TABLE),
        ("POST", "/api/v1/table", Right.CHANGE),
        ("POST", "/api/v1/audit", Right.AUDIT),
        ("POST", "/api/v1/models/org/m/rollout/plan", Right.READ),
        ("PUT", "/api/v1/models/m/rollout/plan", Right.CHANGE),
        ("POST", "/api/v1/models/m/rollout", Right.CHANGE),
        ("DELETE", "/anything", Right.CHANGE),
        ("GET", "/api/v1/session", None),
        ("DELETE", "/api/v1/session", None),
        ("GET", "/api/v1/session/x", Right.READ),
        ("MADEUP", "/api/v1/status", Right.CHANGE),
    ],
)
def test_what_is_not_a_read_changes_something(method: str, path: str, right: Right | None) -> None:
    assert needed(method, path) is right


def named(name: str, role: Role) -> Asker:
    return Asker(Identity(name, role), By.HEADER)


class TestATrustedProxy:
    """It signs people in, and names them in a header."""

    @pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
    def test_whom_it_names_may_what_the_role_may(self, peer: str) -> None:
        assert check(asked(peer=peer, x_forwarded_user="ada"), PROXY) == named("ada", Role.OPERATOR)
        assert reason(asked(peer=peer, x_forwarded_user="aud"), PROXY) is None
        change = asked("/x", "PUT", peer=peer, x_forwarded_user="aud", content_type="application/json")
        assert reason(change, PROXY) == "role"

    def test_whom_it_names_and_nobody_knows_may_nothing_unless_others_may(self) -> None:
        assert reason(asked(peer="10.1.2.3", x_forwarded_user="eve"), PROXY) == "unknown_user"
        assert PROXY.users is not None
        open_to_all = access({}, PROXY.users.model_copy(update={"others": Role.VIEWER}))
        assert check(asked(peer="10.1.2.3", x_forwarded_user="eve"), open_to_all) == named("eve", Role.VIEWER)

    @pytest.mark.parametrize("name", ["tipstaff", "Config", "operator", "a b", "a\x1b[2K", "x" * 200, "<b>"])
    def test_nobody_is_called_like_another_or_like_a_line(self, name: str) -> None:
        assert PROXY.users is not None
        open_to_all = access({}, PROXY.users.model_copy(update={"others": Role.OPERATOR}))
        assert reason(asked(peer="10.1.2.3", x_forwarded_user=name), open_to_all) == "unknown_user"
        address = asked(peer="10.1.2.3", x_forwarded_user="ada+x@example.org")
        assert check(address, open_to_all) == named("ada+x@example.org", Role.OPERATOR)

    @pytest.mark.parametrize("name", ["x-forwarded-user", "authorization"])
    def test_who_asks_is_said_once(self, name: str) -> None:
        both = Headers(raw=[(b"host", b"h"), (name.encode(), b"ada"), (name.encode(), b"aud")])
        assert reason(Asked("GET", "/x", "10.1.2.3", both), PROXY) == "repeated"

    def test_what_the_proxy_itself_was_sent_does_not_matter(self) -> None:
        basic = asked(peer="10.1.2.3", x_forwarded_user="ada", authorization="Basic YWRhOnB3")
        assert check(basic, PROXY) == named("ada", Role.OPERATOR)

    @pytest.mark.parametrize("peer", ["10.2.2.3", "127.0.0.1", "::1", None, "nonsense"])
    def test_from_anywhere_else_the_header_means_nothing(self, peer: str | None) -> None:
        assert reason(asked(peer=peer, x_forwarded_user="ada"), PROXY) == "no_token"

    def test_a_token_counts_before_the_header_and_a_wrong_one_does_too(self) -> None:
        both = {"x_forwarded_user": "aud", "peer": "10.1.2.3"}
        assert check(asked(authorization="Bearer s3cret", **both), PROXY) == Asker(NAMELESS, By.TOKEN)
        assert reason(asked(authorization="Bearer wrong", **both), PROXY) == "wrong_token"


class TestASession:
    """A browser sends its cookie with every request to this host, whoever's page makes it."""

    @pytest.fixture
    def signed_in(self, tmp_path: Path) -> tuple[Access, str]:
        users = PROXY.users
        found = access({"s3cret": NAMELESS, "v1ew": VIC}, users, tmp_path / "sessions" / "open.json")
        word, _ = found.sessions.open(b"v1ew")
        return found, f"tipstaff_session={word}"

    def test_whoever_has_its_cookie_is_who_opened_it(self, signed_in: tuple[Access, str]) -> None:
        access, cookie = signed_in
        found = check(asked(cookie=cookie), access)
        assert found == Asker(VIC, By.SESSION, ManualClock().us + 60_000_000)
        assert check(asked(cookie=f"theme=dark; {cookie}; a=b=c"), access) == found
        change = asked("/api/v1/models/m/weights", "PUT", cookie=cookie, content_type="application/json")
        assert reason(change, access) == "role"

    def test_a_token_counts_before_it_and_a_wrong_one_does_too(self, signed_in: tuple[Access, str]) -> None:
        access, cookie = signed_in
        assert check(asked(cookie=cookie, authorization="Bearer s3cret"), access) == Asker(NAMELESS, By.TOKEN)
        assert reason(asked(cookie=cookie, authorization="Bearer wrong"), access) == "wrong_token"

    def test_it_counts_before_the_proxys_word_until_it_has_ended(self, signed_in: tuple[Access, str]) -> None:
        access, cookie = signed_in
        from_proxy = asked(peer="10.1.2.3", x_forwarded_user="ada", cookie=cookie)
        found = check(from_proxy, access)
        assert isinstance(found, Asker)
        assert (found.who, found.by) == (VIC, By.SESSION)
        access.sessions.end(cookie.partition("=")[2])
        assert check(from_proxy, access) == named("ada", Role.OPERATOR)

    def test_one_that_has_ended_is_told_so(self, signed_in: tuple[Access, str]) -> None:
        access, cookie = signed_in
        access.sessions.end(cookie.partition("=")[2])
        found = check(asked(cookie=cookie), access)
        assert isinstance(found, Refusal)
        assert (found.reason, found.problem.status, found.problem.title) == (
            "session_ended",
            401,
            "The session has ended",
        )
        assert reason(asked(cookie="theme=dark"), access) == "no_token"
        assert reason(asked("/metrics", cookie=cookie), access) is None

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_another_sites_page_may_not_even_read_by_it(self, signed_in: tuple[Access, str], method: str) -> None:
        access, cookie = signed_in
        json = "application/json"
        foreign = asked("/api/v1/session", method, cookie=cookie, origin="http://127.0.0.1:8000", content_type=json)
        assert reason(foreign, access) == "foreign_origin"
        own = asked("/api/v1/session", method, cookie=cookie, origin="http://127.0.0.1:9191", content_type=json)
        assert reason(own, access) is None
        assert reason(asked("/api/v1/session", "DELETE", cookie=cookie), access) == "not_json"

    @pytest.mark.parametrize("apart", [False, True])
    def test_a_second_one_from_a_sibling_site_is_no_answer(
        self, signed_in: tuple[Access, str], *, apart: bool
    ) -> None:
        access, cookie = signed_in
        pairs = [cookie, "tipstaff_session=theirs"]
        cookies = pairs if apart else ["; ".join(pairs)]
        raw = [(b"host", b"127.0.0.1:9191"), *((b"cookie", each.encode()) for each in cookies)]
        assert reason(Asked("GET", "/api/v1/status", "127.0.0.1", Headers(raw=raw)), access) == "repeated"
        with_token = Headers(raw=[*raw, (b"authorization", b"Bearer s3cret")])
        assert reason(Asked("GET", "/api/v1/status", "127.0.0.1", with_token), access) is None

    def test_signing_in_is_open_to_all_but_another_sites_page(self) -> None:
        json = "application/json"
        assert reason(asked("/api/v1/session", "POST", content_type=json), TOKEN) is None
        assert reason(asked("/api/v1/session", "POST"), TOKEN) == "not_json"
        evil = asked("/api/v1/session", "POST", content_type=json, origin="https://evil.example")
        assert reason(evil, TOKEN) == "foreign_origin"
        assert reason(asked("/api/v1/session", "POST", peer="10.0.0.5", content_type=json)) == "not_local"
        assert reason(asked("/api/v1/session/x", "POST", content_type=json), TOKEN) == "no_token"


@pytest.mark.parametrize("path", ["/", "/dashboard", "/dashboard/", "/dashboard/exchanges/x"])
def test_the_page_is_for_everybody_to_read(path: str) -> None:
    for given in (OPEN, TOKEN):
        assert reason(asked(path, peer="10.0.0.5", host="evil.example"), given) is None
        assert reason(asked(path, "HEAD", peer="10.0.0.5"), given) is None
    assert reason(asked(path, "POST", content_type="application/json"), TOKEN) == "no_token"
    assert reason(asked("/dashboards", peer="10.0.0.5"), TOKEN) == "no_token"


def test_https_is_the_browsers_word_or_a_trusted_proxys() -> None:
    assert by_https(asked(origin="https://tipstaff.example"), None)
    assert not by_https(asked(origin="http://tipstaff.example"), None)
    assert by_https(asked(peer="10.1.2.3", x_forwarded_proto="https"), PROXY.users)
    assert not by_https(asked(peer="10.1.2.3", x_forwarded_proto="http"), PROXY.users)
    assert not by_https(asked(peer="10.2.2.3", x_forwarded_proto="https"), PROXY.users)
    assert not by_https(asked(peer="10.1.2.3", x_forwarded_proto="https"), None)
