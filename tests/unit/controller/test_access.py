import pytest
from starlette.datastructures import Headers

from gateway.controller.access import Access, Asked, Refusal, check, needed
from gateway.core.identity import NAMELESS, Identity, Right, Role, Tokens, digest
from gateway.settings import UserHeader

OPEN = Access(Tokens({}))
TOKEN = Access(Tokens({digest("s3cret"): NAMELESS, digest("v1ew"): Identity("vic", Role.VIEWER)}))
PROXY = Access(
    Tokens({digest("s3cret"): NAMELESS}),
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


def test_who_asks_has_a_name_and_a_role() -> None:
    assert check(asked(), OPEN) == NAMELESS
    assert check(asked(authorization="Bearer s3cret"), TOKEN) == NAMELESS
    assert check(asked(authorization="Bearer v1ew"), TOKEN) == Identity("vic", Role.VIEWER)


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
        ("MADEUP", "/api/v1/status", Right.CHANGE),
    ],
)
def test_what_is_not_a_read_changes_something(method: str, path: str, right: Right) -> None:
    assert needed(method, path) is right


class TestATrustedProxy:
    """It signs people in, and names them in a header."""

    @pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
    def test_whom_it_names_may_what_the_role_may(self, peer: str) -> None:
        assert check(asked(peer=peer, x_forwarded_user="ada"), PROXY) == Identity("ada", Role.OPERATOR)
        assert reason(asked(peer=peer, x_forwarded_user="aud"), PROXY) is None
        change = asked("/x", "PUT", peer=peer, x_forwarded_user="aud", content_type="application/json")
        assert reason(change, PROXY) == "role"

    def test_whom_it_names_and_nobody_knows_may_nothing_unless_others_may(self) -> None:
        assert reason(asked(peer="10.1.2.3", x_forwarded_user="eve"), PROXY) == "unknown_user"
        assert PROXY.users is not None
        open_to_all = Access(Tokens({}), PROXY.users.model_copy(update={"others": Role.VIEWER}))
        assert check(asked(peer="10.1.2.3", x_forwarded_user="eve"), open_to_all) == Identity("eve", Role.VIEWER)

    @pytest.mark.parametrize("name", ["tipstaff", "Config", "operator", "a b", "a\x1b[2K", "x" * 200, "<b>"])
    def test_nobody_is_called_like_another_or_like_a_line(self, name: str) -> None:
        assert PROXY.users is not None
        open_to_all = Access(Tokens({}), PROXY.users.model_copy(update={"others": Role.OPERATOR}))
        assert reason(asked(peer="10.1.2.3", x_forwarded_user=name), open_to_all) == "unknown_user"
        address = asked(peer="10.1.2.3", x_forwarded_user="ada+x@example.org")
        assert check(address, open_to_all) == Identity("ada+x@example.org", Role.OPERATOR)

    @pytest.mark.parametrize("name", ["x-forwarded-user", "authorization"])
    def test_who_asks_is_said_once(self, name: str) -> None:
        both = Headers(raw=[(b"host", b"h"), (name.encode(), b"ada"), (name.encode(), b"aud")])
        assert reason(Asked("GET", "/x", "10.1.2.3", both), PROXY) == "repeated"

    def test_what_the_proxy_itself_was_sent_does_not_matter(self) -> None:
        basic = asked(peer="10.1.2.3", x_forwarded_user="ada", authorization="Basic YWRhOnB3")
        assert check(basic, PROXY) == Identity("ada", Role.OPERATOR)

    @pytest.mark.parametrize("peer", ["10.2.2.3", "127.0.0.1", "::1", None, "nonsense"])
    def test_from_anywhere_else_the_header_means_nothing(self, peer: str | None) -> None:
        assert reason(asked(peer=peer, x_forwarded_user="ada"), PROXY) == "no_token"

    def test_a_token_counts_before_the_header_and_a_wrong_one_does_too(self) -> None:
        both = {"x_forwarded_user": "aud", "peer": "10.1.2.3"}
        assert check(asked(authorization="Bearer s3cret", **both), PROXY) == NAMELESS
        assert reason(asked(authorization="Bearer wrong", **both), PROXY) == "wrong_token"
