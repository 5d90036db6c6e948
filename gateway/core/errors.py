"""What a client is told when the gateway itself answers: a status, a stable code, what was wrong, what to do.

The body has the shape of the dialect that was spoken, so that the official clients raise their own exceptions.
"""

from collections.abc import Iterable

import msgspec

from gateway.core.exchange import Reason, Route

Headers = tuple[tuple[str, str], ...]

_NO_RETRY: Headers = (("x-should-retry", "false"),)
"""The official clients retry every 5xx unless they are told that it is pointless."""

_CHALLENGE: Headers = (("www-authenticate", 'Bearer realm="tipstaff"'),)
FORCE_ARM = "x-tipstaff-force-arm"
ADMIN_TOKEN = "x-tipstaff-admin-token"  # noqa: S105 - the header's name
"""With these an operator chooses the arm; both are stripped before the request goes on."""

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 408: "timeout_error"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    503: "overloaded_error",
    504: "timeout_error",
}
_SHOWN_NAMES = 20
_SHOWN_LENGTH = 100


class GatewayError(Exception):
    """An answer of the gateway's own.

    `code`: stable, snake_case; `message`: what was given and what was expected; `fix`: what to do;
    `param`: the field or header at fault; `close`: the connection cannot be used again;
    `headers`: to be added to the answer; `reason`: how the exchange ended, for its record.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fix: str = "",
        *,
        param: str | None = None,
        close: bool = False,
        headers: Headers = (),
        reason: Reason = Reason.REFUSED_BY_GATEWAY,
    ) -> None:
        super().__init__(f"{message} {fix}".rstrip())
        self.status = status
        self.code = code
        self.message = message
        self.fix = fix
        self.param = param
        self.close = close
        self.headers = headers
        self.reason = reason

    def body(self, route: Route) -> bytes:
        """The JSON to answer with: Anthropic's shape (and our code) for messages, OpenAI's for everything else."""
        fallback = "invalid_request_error" if self.status < 500 else None
        if route is Route.MESSAGES:
            kind = _ANTHROPIC_TYPES.get(self.status, fallback or "api_error")
            error = {"type": kind, "message": str(self), "code": self.code}
            return msgspec.json.encode({"type": "error", "error": error})
        kind = _OPENAI_TYPES.get(self.status, fallback or "server_error")
        return msgspec.json.encode(
            {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}
        )


def shown(value: str) -> str:
    """`value` quoted for an error message, cut short: what a client sent may be megabytes."""
    return repr(value if len(value) <= _SHOWN_LENGTH else f"{value[:_SHOWN_LENGTH]}…")


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return (", ".join(names[:_SHOWN_NAMES]) or "none") + more


# What the client sent.


def unknown_model(name: str, models: Iterable[str]) -> GatewayError:
    """404: no such model is configured."""
    return GatewayError(
        404,
        "model_not_found",
        f"The model {shown(name)} does not exist.",
        f"Models here: {_listed(models)}.",
        param="model",
    )


def malformed(what: str, fix: str = "Send one well-formed HTTP/1.1 request.") -> GatewayError:
    """400 and close: HTTP that is broken, or that two parsers could read in two ways."""
    return GatewayError(
        400, "malformed_request", f"Malformed HTTP: {what}.", fix, close=True, reason=Reason.CLIENT_MALFORMED
    )


def invalid_body(what: str, fix: str, *, param: str | None = None) -> GatewayError:
    """400: the body cannot be read, or could be read in two ways."""
    return GatewayError(400, "invalid_body", what, fix, param=param)


def too_large(limit: int, fix: str = "Send less, or raise limits.body_bytes.") -> GatewayError:
    """413 and close: the body is over `limits.body_bytes`, or over its route's own bound."""
    return GatewayError(
        413,
        "body_too_large",
        f"The request body is over the limit of {limit} bytes.",
        fix,
        close=True,
        reason=Reason.LIMIT,
    )


def header_too_large(limit: int) -> GatewayError:
    """431 and close: request line and headers are over `limits.header_bytes`."""
    return GatewayError(
        431,
        "header_too_large",
        f"The request line and headers are over the limit of {limit} bytes.",
        "Send fewer or shorter headers, or raise limits.header_bytes.",
        close=True,
        reason=Reason.LIMIT,
    )


def uri_too_long(limit: int) -> GatewayError:
    """414 and close: the request target alone is over the limit."""
    return GatewayError(
        414,
        "uri_too_long",
        f"The request target is over the limit of {limit} bytes.",
        "Send parameters in the body, or raise limits.header_bytes.",
        close=True,
        reason=Reason.LIMIT,
    )


def request_timeout(seconds: float) -> GatewayError:
    """408 and close: the request did not arrive whole in time."""
    return GatewayError(
        408,
        "request_timeout",
        f"The request did not arrive within {seconds:g} s.",
        "Send it in one go on a connection of its own.",
        close=True,
        headers=_NO_RETRY,
        reason=Reason.CLIENT_SLOW,
    )


def encoded_body(coding: str) -> GatewayError:
    """415: a compressed body hides its model from the gateway."""
    return GatewayError(
        415,
        "unsupported_content_encoding",
        f"The request body has Content-Encoding {shown(coding)}.",
        "Send it as it is, without Content-Encoding.",
        param="content-encoding",
    )


def unsupported_upgrade(protocol: str) -> GatewayError:
    """501 and close: CONNECT, WebSocket, h2c and every other change of protocol."""
    return GatewayError(
        501,
        "unsupported_upgrade",
        f"The connection cannot change to {shown(protocol)}.",
        "Use plain HTTP/1.1 requests.",
        close=True,
        headers=_NO_RETRY,
    )


def unsupported_version(version: str) -> GatewayError:
    """505 and close: not HTTP/1.0 or 1.1."""
    return GatewayError(
        505,
        "unsupported_http_version",
        f"HTTP version {shown(version)} is not spoken here.",
        "Use HTTP/1.1.",
        close=True,
        headers=_NO_RETRY,
        reason=Reason.CLIENT_MALFORMED,
    )


def unsupported_expectation(value: str) -> GatewayError:
    """417: an Expect other than 100-continue."""
    return GatewayError(
        417,
        "unsupported_expectation",
        f"Expect {shown(value)} cannot be met.",
        "Only 100-continue is understood: send that, or nothing.",
        param="expect",
        close=True,
    )


def forbidden_route(path: str) -> GatewayError:
    """404: not a route that users have. Whether a server behind has it is not told."""
    return GatewayError(
        404,
        "unknown_route",
        f"There is no route {shown(path)} here.",
        "Use the inference routes, like /v1/chat/completions.",
    )


def method_not_allowed(method: str, path: str, allowed: Iterable[str]) -> GatewayError:
    """405: the route exists, with other methods."""
    names = ", ".join(sorted(allowed))
    return GatewayError(
        405,
        "method_not_allowed",
        f"{shown(path)} does not take {shown(method)}.",
        f"Use {names}.",
        headers=(("allow", names),),
    )


def unknown_response(response_id: str) -> GatewayError:
    """404: a response id is known to the arm that made it until the gateway restarts."""
    return GatewayError(
        404,
        "response_not_found",
        f"No response {shown(response_id)} is known: it was not made here, or the gateway restarted since.",
        "Send the conversation in full instead of its id.",
        param="previous_response_id",
    )


def missing_key() -> GatewayError:
    """401: this gateway has keys of its own, and none was sent."""
    return GatewayError(
        401,
        "missing_api_key",
        "This gateway asks for an API key and none was given.",
        "Send yours as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
        headers=_CHALLENGE,
    )


def wrong_key() -> GatewayError:
    """401: a key that is not one of this gateway's."""
    return GatewayError(
        401,
        "invalid_api_key",
        "The API key given is not one of this gateway's.",
        "Ask whoever runs it for a key; keys for the model's own server are not used here.",
        headers=_CHALLENGE,
    )


def missing_admin_token() -> GatewayError:
    """401: an operator's header came without a token."""
    return GatewayError(
        401,
        "missing_admin_token",
        "Forcing an arm needs the admin token and none was given.",
        f"Send it as {ADMIN_TOKEN}, or leave {FORCE_ARM} out.",
        param=ADMIN_TOKEN,
    )


def bad_admin_token() -> GatewayError:
    """403: an operator's header came with a wrong token, or none is configured."""
    return GatewayError(
        403,
        "bad_admin_token",
        "The admin token given is not an operator's of this gateway.",
        f"Send a token of admin_tokens with the role operator, or leave {FORCE_ARM} out.",
        param=ADMIN_TOKEN,
    )


def no_audit() -> GatewayError:
    """503: an arm was to be forced, and nobody can write it down."""
    return GatewayError(
        503,
        "no_audit",
        "No arm may be forced now: the audit stream takes no more (disk full?).",
        f"Leave {FORCE_ARM} out, or try again later.",
        param=FORCE_ARM,
    )


def unknown_arm(arm: str, arms: Iterable[str]) -> GatewayError:
    """400: an operator forced an arm that the model does not have."""
    return GatewayError(
        400,
        "unknown_arm",
        f"The model has no arm {shown(arm)}.",
        f"Its arms: {_listed(arms)}.",
        param=FORCE_ARM,
    )


# What the arm did.


def _bad_gateway(reason: Reason, what: str) -> GatewayError:
    fix = "Retry; an operator sees the endpoint in the admin API."
    return GatewayError(502, reason.value, what, fix, reason=reason)


def upstream_refused(arm: str) -> GatewayError:
    """502: no connection to the arm's endpoint."""
    return _bad_gateway(Reason.UPSTREAM_REFUSED, f"The server of arm {shown(arm)} refused the connection.")


def upstream_reset(arm: str) -> GatewayError:
    """502: the connection broke before the answer began."""
    return _bad_gateway(
        Reason.UPSTREAM_RESET, f"The server of arm {shown(arm)} closed the connection before it answered."
    )


def upstream_malformed(arm: str) -> GatewayError:
    """502: what the arm's server sent is not HTTP that can be passed on."""
    return _bad_gateway(
        Reason.UPSTREAM_MALFORMED, f"The server of arm {shown(arm)} sent an answer that is not well-formed HTTP."
    )


def upstream_timeout(arm: str, seconds: float, waited_for: str = "answer") -> GatewayError:
    """504: the arm was silent for longer than a deadline allows. `waited_for`: `connection`, `answer`, ..."""
    return GatewayError(
        504,
        "upstream_timeout",
        f"The server of arm {shown(arm)} gave no {waited_for} within {seconds:g} s.",
        "Retry, ask for fewer tokens or stream; an operator can raise the deadline.",
        reason=Reason.UPSTREAM_TIMEOUT,
    )


def no_endpoint(model: str) -> GatewayError:
    """502: every endpoint that may serve the model is ejected."""
    return GatewayError(
        502,
        "no_endpoint",
        f"No server of model {shown(model)} is well.",
        "Retry in some seconds; an operator sees why in the admin API.",
        headers=(("retry-after", "5"),),
        reason=Reason.UPSTREAM_REFUSED,
    )


# What the gateway cannot do now.


def _busy(
    code: str, what: str, fix: str, *, after: int = 1, close: bool = False, reason: Reason = Reason.LIMIT
) -> GatewayError:
    headers = (("retry-after", str(after)),)
    return GatewayError(503, code, what, fix, close=close, headers=headers, reason=reason)


def draining() -> GatewayError:
    """503 and close: this process is shutting down."""
    return _busy(
        "draining",
        "This gateway is shutting down.",
        "Retry: another one, or its successor, will answer.",
        close=True,
        reason=Reason.DRAIN,
    )


def not_ready() -> GatewayError:
    """503: no routing table yet."""
    return _busy(
        "not_ready",
        "This gateway has no routing table yet.",
        "Retry in a second.",
        reason=Reason.REFUSED_BY_GATEWAY,
    )


def log_full() -> GatewayError:
    """503: with `audit: strict`, what cannot be recorded is not served."""
    return _busy(
        "log_full",
        "The record of exchanges is full, and nothing is served that cannot be recorded (audit: strict).",
        "Retry later; the operator has to free disk space.",
        after=5,
    )


def too_many_connections(limit: int) -> GatewayError:
    """503 and close: `limits.connections` are open."""
    return _busy(
        "too_many_connections",
        f"All {limit} connections of this gateway are in use.",
        "Retry in a second, and keep fewer connections open.",
        close=True,
    )


def out_of_connections() -> GatewayError:
    """503: this process or machine has no file descriptor, port or memory left for a connection to an arm."""
    return _busy(
        "out_of_connections",
        "This gateway cannot open another connection to a model server: its own limit of open files is reached.",
        "Retry in a second; the operator has to raise the limit or add a gateway.",
    )


def buffers_full(limit: int) -> GatewayError:
    """503 and close: the request bodies in memory are at `limits.buffered_bytes`."""
    return _busy(
        "buffers_full",
        f"The request bodies held in memory have reached the limit of {limit} bytes.",
        "Retry in a second.",
        close=True,
    )
