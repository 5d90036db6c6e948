"""Every route of the data port, without a key, with a wrong one, and with keys that open one model or all."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.core.errors import GatewayError
from gateway.core.identity import hashed
from gateway.core.paths import Serves, resolve, templates
from tests.support.plainplane import PlainPlane, answer, request
from tests.unit.proxy.test_server import code_of, head_and_body, status_of

CHAT = b'{"model":"%b","messages":[{"role":"user","content":"hi"}]}'
OPEN = {"/livez", "/readyz", "/health", "/tipstaff/v1/health"}
KEYS = [
    {"name": "all", "file": "all"},
    {"name": "shop", "file": "shop", "models": ["assistant"]},
    {"name": "solo", "file": "solo", "models": ["org/solo"]},
]
MODELS = {
    "assistant": {
        "arms": {
            "stable": {"endpoints": ["http://stable.test:8000"]},
            "canary": {"endpoints": ["http://canary.test:8000"]},
        }
    },
    "org/solo": {"arms": {"stable": {"endpoints": ["http://stable.test:8000"]}}},
}


def method_of(path: str) -> str:
    """GET where the route takes it, else POST."""
    try:
        resolve("GET", path)
    except GatewayError:
        return "POST"
    return "GET"


ROUTES = {
    path: resolve(method_of(path), path)
    for each in templates()
    if (path := each.format(model="assistant", id="resp_1"))
}


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[PlainPlane]:
    for name in ("all", "shop", "solo"):
        (tmp_path / name).write_text(hashed(f"key-of-{name}"))
    plane = PlainPlane(tmp_path, client_keys=KEYS, models=MODELS)
    yield plane
    plane.close()


def bare(method: str, path: str, headers: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: gateway.test\r\n{headers}\r\n".encode()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "sent", ["", "Authorization: Bearer key-of-nobody\r\n", "Authorization: Basic key-of-all\r\n"]
)
def test_without_a_key_of_the_gateways_nothing_passes(keyed: PlainPlane, path: str, sent: str) -> None:
    posts = method_of(path) == "POST"
    keyed.send(request(CHAT % b"assistant", path, sent) if posts else bare("GET", path, sent))
    got = keyed.answer()
    if path in OPEN:
        assert status_of(got) == 200
        return
    assert (status_of(got), code_of(got)) == (401, "invalid_api_key" if "Bearer" in sent else "missing_api_key")
    assert b"www-authenticate: Bearer" in got
    assert keyed.untouched()


@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if route.serves is Serves.MODEL])
@pytest.mark.parametrize("form", ["Authorization: Bearer {}", "authorization: bearer {}", "X-Api-Key: {}"])
def test_a_key_opens_its_models_and_goes_no_further(keyed: PlainPlane, path: str, form: str) -> None:
    keyed.send(request(CHAT % b"assistant", path, form.format("key-of-shop") + "\r\n"))
    sent = keyed.sent_on()
    assert sent
    assert b"key-of-shop" not in sent
    assert b"authorization" not in sent.lower()


def test_a_model_that_a_key_does_not_open_is_not_there(keyed: PlainPlane) -> None:
    keyed.send(request(CHAT % b"assistant", headers="X-Api-Key: key-of-solo\r\n"))
    got = keyed.answer()
    assert (status_of(got), code_of(got)) == (404, "model_not_found")
    assert b"org/solo" in got
    assert keyed.untouched()
    keyed.send(request(CHAT % b"nonsense", headers="X-Api-Key: key-of-solo\r\n"))
    other = keyed.answer()
    assert code_of(other) == "model_not_found"
    assert b"assistant" not in other


@pytest.mark.parametrize(
    ("key", "listed"), [("all", ["assistant", "org/solo"]), ("shop", ["assistant"]), ("solo", ["org/solo"])]
)
def test_a_client_sees_its_own_models(keyed: PlainPlane, key: str, listed: list[str]) -> None:
    ask: Callable[[str], bytes] = lambda path: bare("GET", path, f"X-Api-Key: key-of-{key}\r\n")  # noqa: E731
    keyed.send(ask("/v1/models"))
    assert [each["id"] for each in json.loads(head_and_body(keyed.answer())[1])["data"]] == listed
    for model in ("assistant", "org/solo"):
        keyed.send(ask(f"/v1/models/{model}"))
        assert status_of(keyed.answer()) == (200 if model in listed else 404)


def test_a_response_of_another_model_is_not_there_either(keyed: PlainPlane) -> None:
    keyed.send(request(b'{"model":"assistant","input":"x"}', "/v1/responses", "X-Api-Key: key-of-shop\r\n"))
    keyed.sent_on()
    keyed.reply(answer(b'{"id":"resp_1","object":"response","status":"completed","output":[]}'))
    keyed.answer()
    keyed.send(bare("GET", "/v1/responses/resp_1", "X-Api-Key: key-of-solo\r\n"))
    got = keyed.answer()
    assert (status_of(got), code_of(got)) == (404, "response_not_found")
    keyed.send(bare("GET", "/v1/responses/resp_1", "X-Api-Key: key-of-shop\r\n"))
    assert b"GET /v1/responses/resp_1" in keyed.sent_on()


PREFLIGHT = "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n"


def test_a_preflight_needs_none_and_takes_none_along(keyed: PlainPlane) -> None:
    keyed.send(bare("OPTIONS", "/v1/chat/completions", PREFLIGHT + "Authorization: Bearer key-of-all\r\n"))
    sent = keyed.sent_on()
    assert sent.startswith(b"OPTIONS ")
    assert b"key-of-all" not in sent


@pytest.mark.parametrize("headers", ["", "Origin: https://shop.example\r\n", PREFLIGHT + "Content-Length: 2\r\n"])
def test_what_is_no_preflight_needs_one(keyed: PlainPlane, headers: str) -> None:
    keyed.send(bare("OPTIONS", "/v1/chat/completions", headers) + b"{}" * ("Length" in headers))
    assert code_of(keyed.answer()) == "missing_api_key"
    assert keyed.untouched()


def test_where_there_are_no_keys_the_clients_own_passes(plane: PlainPlane) -> None:
    plane.send(request(headers="Authorization: Bearer theirs\r\n"))
    assert b"Authorization: Bearer theirs" in plane.sent_on()
