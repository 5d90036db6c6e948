import pytest
from starlette.datastructures import Headers

from gateway.controller.access import AdminToken, Asked, check

TOKEN = AdminToken("s3cret")


def asked(
    path: str = "/api/v1/status", method: str = "GET", peer: str | None = "127.0.0.1", **headers: str
) -> Asked:
    given = {"host": "127.0.0.1:9191", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Asked(method, path, peer, Headers(given))


def reason(request: Asked, token: AdminToken | None = None) -> str | None:
    refusal = check(request, token)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:9191", "localhost:9191", "LOCALHOST", "[::1]:9191", "127.0.0.1"])
def test_without_a_token_this_machine_may_ask(peer: str, host: str) -> None:
    assert reason(asked(peer=peer, host=host)) is None


@pytest.mark.parametrize("peer", ["10.0.0.5", "8.8.8.8", "::ffff:10.0.0.5", "fe80::1", None, "not an address"])
def test_without_a_token_nobody_else_may(peer: str | None) -> None:
    assert reason(asked(peer=peer)) == "not_local"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:9191", "", "[::2]", "0.0.0.0"]
)
def test_a_name_rebound_to_loopback_is_refused(host: str) -> None:
    assert reason(asked(host=host)) == "not_local"


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
def test_what_came_through_a_proxy_is_not_local(name: str) -> None:
    assert reason(asked(**{name: "127.0.0.1"})) == "not_local"


def test_with_a_token_it_is_the_token_that_counts() -> None:
    assert reason(asked(), TOKEN) == "no_token"
    assert reason(asked(authorization="Bearer wrong"), TOKEN) == "wrong_token"
    assert reason(asked(authorization="Basic s3cret"), TOKEN) == "wrong_token"
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


def test_the_token_is_kept_as_a_hash() -> None:
    token = AdminToken("s3cret")
    assert token.matches("s3cret")
    assert not token.matches("s3cret ")
    assert not token.matches("")
    assert "s3cret" not in repr(vars(token))
