"""The official clients make their own exceptions of what the gateway answers."""

import json
from collections.abc import Callable

import anthropic
import httpx2
import openai
import pytest

from gateway.core import errors
from gateway.core.errors import GatewayError
from gateway.core.exchange import Reason, Route

EVERY: dict[str, tuple[Callable[[], GatewayError], int]] = {
    "model_not_found": (lambda: errors.unknown_model("gpt", ["b", "a"]), 404),
    "malformed_request": (lambda: errors.malformed("two lengths"), 400),
    "invalid_body": (lambda: errors.invalid_body("no.", "yes.", param="model"), 400),
    "body_too_large": (lambda: errors.too_large(9), 413),
    "header_too_large": (lambda: errors.header_too_large(9), 431),
    "uri_too_long": (lambda: errors.uri_too_long(9), 414),
    "request_timeout": (lambda: errors.request_timeout(9), 408),
    "unsupported_content_encoding": (lambda: errors.encoded_body("gzip"), 415),
    "unsupported_upgrade": (lambda: errors.unsupported_upgrade("websocket"), 501),
    "unsupported_http_version": (lambda: errors.unsupported_version("2.0"), 505),
    "unsupported_expectation": (lambda: errors.unsupported_expectation("x"), 417),
    "unknown_route": (lambda: errors.forbidden_route("/sleep"), 404),
    "method_not_allowed": (lambda: errors.method_not_allowed("PUT", "/v1/models", ["GET"]), 405),
    "response_not_found": (lambda: errors.unknown_response("resp_1"), 404),
    "missing_admin_token": (errors.missing_admin_token, 401),
    "bad_admin_token": (errors.bad_admin_token, 403),
    "no_audit": (errors.no_audit, 503),
    "missing_api_key": (errors.missing_key, 401),
    "invalid_api_key": (errors.wrong_key, 401),
    "unknown_arm": (lambda: errors.unknown_arm("x", ["stable"]), 400),
    "upstream_refused": (lambda: errors.upstream_refused("stable"), 502),
    "upstream_reset": (lambda: errors.upstream_reset("stable"), 502),
    "upstream_malformed": (lambda: errors.upstream_malformed("stable"), 502),
    "upstream_timeout": (lambda: errors.upstream_timeout("stable", 3), 504),
    "no_endpoint": (lambda: errors.no_endpoint("assistant"), 502),
    "draining": (errors.draining, 503),
    "not_ready": (errors.not_ready, 503),
    "log_full": (errors.log_full, 503),
    "too_many_connections": (lambda: errors.too_many_connections(9), 503),
    "out_of_connections": (errors.out_of_connections, 503),
    "buffers_full": (lambda: errors.buffers_full(9), 503),
}

OPENAI_CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
}


def transport(error: GatewayError, route: Route) -> httpx2.MockTransport:
    return httpx2.MockTransport(
        lambda _: httpx2.Response(
            error.status, content=error.body(route), headers=[("content-type", "application/json"), *error.headers]
        )
    )


@pytest.mark.parametrize("code", EVERY)
def test_openai_client_raises_its_class_with_our_code(code: str) -> None:
    make, status = EVERY[code]
    error = make()
    with httpx2.Client(transport=transport(error, Route.CHAT)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=http)
        with pytest.raises(OPENAI_CLASSES.get(status, openai.APIStatusError)) as caught:
            client.chat.completions.create(model="m", messages=[])
    assert isinstance(caught.value, openai.APIStatusError)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert error.message in caught.value.message


@pytest.mark.parametrize("code", EVERY)
def test_anthropic_client_reads_the_message(code: str) -> None:
    make, status = EVERY[code]
    error = make()
    with httpx2.Client(transport=transport(error, Route.MESSAGES)) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", max_retries=0, http_client=http)
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model="m", max_tokens=1, messages=[])
    assert caught.value.status_code == status
    body = json.loads(error.body(Route.MESSAGES))
    assert body["type"] == "error"
    assert body["error"]["code"] == code
    assert body["error"]["message"] == f"{error.message} {error.fix}"


def test_every_error_says_what_to_do() -> None:
    for make, _ in EVERY.values():
        error = make()
        assert error.fix.endswith(".")
        assert error.message.endswith(".")
        assert isinstance(error.reason, Reason)


def test_unknown_model_lists_the_models_there_are() -> None:
    assert "a, b" in errors.unknown_model("gpt", ["b", "a"]).fix
    many = errors.unknown_model("gpt", [f"m{number:03}" for number in range(500)])
    assert many.fix.endswith("and 480 more.")


def test_what_a_client_sent_is_cut_short() -> None:
    assert len(errors.unknown_model("x" * 1_000_000, ["a"]).body(Route.CHAT)) < 1000


def test_pointless_retries_are_refused() -> None:
    assert dict(errors.unsupported_upgrade("h2c").headers)["x-should-retry"] == "false"
    assert "retry-after" in dict(errors.log_full().headers)
