"""Signing in and out, as a browser does it."""

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.identity import Tokens
from gateway.ports import LogFull
from gateway.settings import UserHeader
from tests.unit.controller.conftest import SESSION_SECONDS, TOKENS, Controller

SESSION = "/api/v1/session"
USERS = UserHeader.model_validate({"trusted": ["10.1.0.0/16"], "roles": {"ada": "operator"}})


def sign_in(controller: Controller, word: str = "", **more: Any) -> httpx.Response:  # noqa: ANN401
    return controller.call("POST", SESSION, json={"token": word or "s3cret"}, **more)


def cookie(answer: httpx.Response) -> "Morsel[str]":
    (found,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return found


def browser(answer: httpx.Response) -> dict[str, str]:
    """The headers of whoever has that answer's cookie."""
    return {"cookie": f"tipstaff_session={cookie(answer).value}", "content-type": "application/json"}


def entries(controller: Controller, action: str) -> list[tuple[str, str, str]]:
    controller.trail.step()
    token = {"authorization": "Bearer s3cret"}
    found = controller.get("/api/v1/audit", headers=token, params={"action": action})["entries"]
    return [(each["actor"], each["subject"], each["outcome"]) for each in found]


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path, TOKENS, USERS)
    controller.start()
    yield controller
    controller.close()


def test_a_token_opens_a_session_which_asks_as_its_owner(guarded: Controller) -> None:
    answer = sign_in(guarded, " token-of-viewer\n", peer="10.0.0.9")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "name": "viewer-1",
        "role": "viewer",
        "rights": ["follow the routing table", "read"],
        "by": "session",
        "expires": "2025-10-09T09:00:00Z",
    }
    assert guarded.get(SESSION, headers=browser(answer), peer="10.0.0.9") == answer.json()
    assert guarded.call("GET", "/api/v1/status", headers=browser(answer)).status_code == 200
    assert guarded.call("GET", "/api/v1/audit", headers=browser(answer)).status_code == 403
    assert entries(guarded, "session.opened") == [("viewer-1", "from 10.0.0.9", "done")]


def test_no_script_and_no_other_site_gets_the_cookie(guarded: Controller) -> None:
    found = cookie(sign_in(guarded))
    assert (found.key, found["path"], found["max-age"]) == ("tipstaff_session", "/", str(SESSION_SECONDS))
    assert (found["httponly"], found["samesite"].lower(), found["secure"]) == (True, "strict", "")


def test_by_https_it_goes_back_by_https_only(behind_a_proxy: Controller) -> None:
    own = {"origin": "https://127.0.0.1:9191"}
    assert cookie(sign_in(behind_a_proxy, headers=own))["secure"]
    told = {"x-forwarded-proto": "https"}
    assert cookie(sign_in(behind_a_proxy, headers=told, peer="10.1.2.3"))["secure"]
    assert not cookie(sign_in(behind_a_proxy, headers=told, peer="10.2.2.3"))["secure"]


def test_a_wrong_token_is_refused_counted_and_written_down(guarded: Controller) -> None:
    answer = sign_in(guarded, "guess", peer="10.0.0.9")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "set-cookie" not in answer.headers
    assert "guess" not in answer.text
    assert 'tipstaff_sign_in_failures_total{reason="wrong_token"} 1.0' in guarded.call("GET", "/metrics").text
    assert entries(guarded, "sign_in.failed") == [("", f"POST {SESSION} from 10.0.0.9", "wrong_token")]
    assert entries(guarded, "session.opened") == []


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": " "}, {"token": "x" * 1025}, {"token": "x", "a": 1}])
def test_what_is_no_token_is_told_without_it(guarded: Controller, body: dict[str, object]) -> None:
    answer = guarded.call("POST", SESSION, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"].startswith("#/body")) == (422, True)


def test_the_hash_of_a_token_is_no_token(guarded: Controller) -> None:
    hashed = "sha256:1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0"  # of s3cret
    assert sign_in(guarded, hashed).status_code == 401


def test_signing_out_ends_it_on_both_sides(guarded: Controller) -> None:
    mine, other = browser(sign_in(guarded)), browser(sign_in(guarded))
    answer = guarded.call("DELETE", SESSION, headers=mine, peer="10.0.0.9")
    assert (answer.status_code, answer.content) == (204, b"")
    gone = cookie(answer)
    assert (gone.key, gone.value, gone["path"], gone["max-age"]) == ("tipstaff_session", "", "/", "0")
    refused = guarded.call("GET", SESSION, headers=mine)
    assert (refused.status_code, refused.json()["title"]) == (401, "The session has ended")
    assert guarded.call("GET", SESSION, headers=other).status_code == 200
    assert entries(guarded, "session.ended") == [("operator", "from 10.0.0.9", "signed out")]


def test_whoever_asks_by_a_token_has_no_session_to_end(guarded: Controller) -> None:
    token = {"authorization": "Bearer token-of-proxy", "content-type": "application/json"}
    found = guarded.get(SESSION, headers=token)
    assert (found["by"], found["expires"], found["rights"]) == ("token", None, ["follow the routing table"])
    assert guarded.call("DELETE", SESSION, headers=token).status_code == 204
    assert guarded.get(SESSION, headers=token)["name"] == "proxy-1"
    assert entries(guarded, "session.ended") == []


def test_it_ends_by_itself(guarded: Controller) -> None:
    mine = browser(sign_in(guarded))
    guarded.clock.advance(SESSION_SECONDS)
    assert guarded.call("GET", "/api/v1/status", headers=mine).status_code == 401
    assert guarded.call("DELETE", SESSION, headers=mine).status_code == 401


def test_a_proxys_word_is_told_as_that(behind_a_proxy: Controller) -> None:
    found = behind_a_proxy.get(SESSION, headers={"x-forwarded-user": "ada"}, peer="10.1.2.3")
    assert (found["name"], found["by"], found["expires"]) == ("ada", "header", None)


def test_where_there_is_no_token_nobody_signs_in(controller: Controller, tmp_path: Path) -> None:
    answer = sign_in(controller)
    assert (answer.status_code, "whoever is on this machine" in answer.json()["detail"]) == (409, True)
    found = controller.get(SESSION)
    assert (found["name"], found["role"], found["by"]) == ("operator", "operator", "machine")
    by_header = Controller(tmp_path / "another", Tokens({}), USERS)
    answer = sign_in(by_header)
    assert (answer.status_code, "admin_users" in answer.json()["detail"]) == (409, True)
    by_header.close()


def test_what_cannot_be_written_down_opens_none(guarded: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LogFull("no room")

    mine = browser(sign_in(guarded))
    monkeypatch.setattr(guarded.events, "append", full)
    answer = sign_in(guarded)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    assert guarded.call("DELETE", SESSION, headers=mine).status_code == 204


def test_what_could_not_be_kept_opens_none(guarded: Controller) -> None:
    guarded.data.root.rename(guarded.data.root.with_name("moved away"))
    answer = sign_in(guarded)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    assert not guarded.data.root.exists()
