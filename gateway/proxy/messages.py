"""The heads that the gateway writes: towards an arm, towards a client, and of its own answers."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.core.exchange import Route
from gateway.proxy.http1 import ResponseHead, without

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.upstream import UpstreamConnection

Headers = tuple[tuple[str, str], ...]

JSON: Headers = (("content-type", "application/json"),)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KEPT_HEADERS = frozenset({b"user-agent", b"x-request-id", b"traceparent", b"anthropic-version", b"openai-beta"})
"""What a record keeps of a request's headers: nothing that names or admits a person."""

_KEPT_BYTES = 256
_IDENTITY = frozenset({b"x-request-id", b"traceparent", b"x-forwarded-for"})
_CREDENTIALS = (b"authorization", b"x-api-key")
_TRACE = frozenset({b"traceparent", b"tracestate"})
"""A state goes with its parent: where that is missing or cannot be read, neither is passed on."""
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


def request_head(exchange: "Exchange", connection: "UpstreamConnection", length: int) -> bytes:
    """What an endpoint is asked. `length`: of the body that follows."""
    head = exchange.head
    if head is None:
        raise AssertionError("only a request that was read is sent on")
    fields, lines = head.fields, head.lines
    made = [b"%b %b HTTP/1.1\r\nhost: %b" % (head.method, head.target, connection.authority)]
    authorization = connection.endpoint.authorization
    if authorization is not None or exchange.services.keys is not None:
        lines = without(lines, _CREDENTIALS)
    if authorization is not None:
        made.append(b"authorization: " + authorization)
    if exchange.route is Route.RESPONSES and b"accept-encoding" in fields:
        lines = without(lines, (b"accept-encoding",))  # the response's id must be readable, to pin what follows it
    if exchange.trace is not None and not _TRACE.isdisjoint(fields):
        lines = without(lines, (b"traceparent",) if exchange.trace.parent_id else tuple(_TRACE))
    made += lines
    if length or head.chunked or b"content-length" in fields:
        made.append(b"content-length: %d" % length)
    made.append(_identity(exchange, fields))
    return b"\r\n".join(made)


def _identity(exchange: "Exchange", fields: dict[bytes, bytes]) -> bytes:
    """Who asks, under which ids: kept where the client says so, made where it does not. Ends the head."""
    identifier, peer, trace = exchange.id.encode(), exchange.client.peer, exchange.trace
    traceparent = b"00-%b-%b-00" % (identifier, identifier[16:]) if trace is None else trace.header()
    if _IDENTITY.isdisjoint(fields):
        ids = (identifier, traceparent, peer)
        return b"x-request-id: %b\r\ntraceparent: %b\r\nx-forwarded-for: %b\r\n\r\n" % ids
    made = []
    if b"x-request-id" not in fields:
        made.append(b"x-request-id: " + identifier)
    if trace is not None or b"traceparent" not in fields:
        made.append(b"traceparent: " + traceparent)
    before = fields.get(b"x-forwarded-for")
    made.append(b"x-forwarded-for: %b\r\n\r\n" % (peer if before is None else before + b", " + peer))
    return b"\r\n".join(made)


def answer_head(exchange: "Exchange", head: ResponseHead, *, chunked: bool) -> bytes:
    """An arm's answer as the client gets it. `chunked`: how its body is framed from here on."""
    framing = b"transfer-encoding: chunked\r\n" if chunked else b""
    return head.passed + framing + ours(exchange)


def interim_head(head: ResponseHead) -> bytes:
    """An arm's 1xx answer as the client gets it."""
    return head.passed + b"\r\n"


def own_head(exchange: "Exchange", status: int, headers: Headers, length: int) -> bytes:
    """The head of an answer of the gateway's own, with a body of `length` bytes."""
    made = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b""))]
    made += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    made += [b"content-length: %d" % length, ours(exchange)]
    return b"\r\n".join(made)


def kept_headers(fields: dict[bytes, bytes]) -> dict[str, str]:
    """The headers that a record keeps, cut short."""
    if KEPT_HEADERS.isdisjoint(fields):
        return {}
    return {name.decode(): fields[name][:_KEPT_BYTES].decode("latin-1") for name in fields if name in KEPT_HEADERS}


def ours(exchange: "Exchange") -> bytes:
    """What ends every head that a client gets: our own headers, the connection's, and the empty line."""
    ours = b"x-tipstaff-exchange: " + exchange.id.encode()
    if exchange.served and exchange.services.expose_arm:
        ours += b"\r\nx-tipstaff-arm: " + exchange.served.encode()
    if not exchange.keep_alive:
        return ours + b"\r\nconnection: close\r\n\r\n"
    if exchange.head is not None and exchange.head.minor == 0:
        return ours + b"\r\nconnection: keep-alive\r\n\r\n"
    return ours + b"\r\n\r\n"
