"""Takes a whole request and sets it on its way: an answer of our own, or an arm's."""

from collections.abc import Sequence

from gateway.core import errors
from gateway.core.clientkeys import ClientKey
from gateway.core.envelope import Envelope
from gateway.core.errors import GatewayError
from gateway.core.paths import Resolved, Serves, resolve
from gateway.proxy import messages
from gateway.proxy.delivery import ForwardedDelivery
from gateway.proxy.exchange import Exchange
from gateway.proxy.feedback import FeedbackDesk
from gateway.proxy.http1 import RequestHead
from gateway.proxy.relay import Relay
from gateway.proxy.services import Services
from gateway.proxy.steering import Asked

_KNOWN_TARGETS = 1024
_OK = b'{"status":"ok"}'


class Dispatcher:
    """Routes, reads the envelope, steers, delivers. Every error is told to the client in its dialect."""

    def __init__(self, services: Services, feedback: FeedbackDesk) -> None:
        self._services = services
        self._feedback = feedback
        self._resolved: dict[tuple[bytes, bytes], Resolved] = {}

    def resolve(self, head: RequestHead) -> Resolved:
        """Find the route; raises GatewayError for what has none. Called before the body is read."""
        found = self._resolved.get((head.method, head.target))
        if found is None:
            found = resolve(head.method.decode(), head.target.decode())
            if len(self._resolved) >= _KNOWN_TARGETS:
                self._resolved.clear()
            self._resolved[head.method, head.target] = found
        return found

    def admitted(self, head: RequestHead, resolved: Resolved) -> ClientKey | None:
        """Whose key a request carries; None: none is asked for. Called before the body is read.

        Raises GatewayError.
        """
        keys = self._services.keys
        open_to_all = resolved.serves in _KEYLESS or (resolved.serves is Serves.ANY and _is_preflight(head))
        return None if keys is None or open_to_all else keys.of(head.fields)

    def dispatch(self, exchange: Exchange, head: RequestHead, resolved: Resolved) -> None:
        """Answer, or begin to deliver, a request whose body is all there."""
        try:
            if resolved.serves in _FORWARDED:
                self._forward(exchange, head, resolved)
            elif resolved.serves is Serves.FEEDBACK:
                known = exchange.key is not None
                client = exchange.key.name.encode() if exchange.key is not None else exchange.client.peer
                body = self._feedback.take(exchange.body, head.fields, client, known=known)
                exchange.answer(202, messages.JSON, body)
            else:
                self._answer(exchange, resolved)
        except GatewayError as error:
            exchange.fail(error)

    def _forward(self, exchange: Exchange, head: RequestHead, resolved: Resolved) -> None:
        services = self._services
        steering, recorder, route = services.steering, services.recorder, resolved.route
        recorded = route.recorded
        if recorded and not recorder.accepts():
            raise errors.log_full()
        exchange.envelope = envelope = self._envelope(exchange, head, resolved)
        opened = self._opened(exchange)
        response_id = ""
        if envelope is not None:
            model, response_id = envelope.model, envelope.previous_response_id
            if model not in opened:
                raise errors.unknown_model(model, opened)
        elif resolved.serves is Serves.RESPONSE:
            model, response_id = steering.pinned_model(resolved.subject), resolved.subject
            if model not in opened:
                raise errors.unknown_response(response_id)
        else:
            model = opened[0]
        course = steering.course(
            Asked(exchange.id, model, route, head.fields, exchange.body, envelope, response_id)
        )
        exchange.course = course
        if recorded and envelope is not None:
            exchange.recorded = True
            if services.sampler is not None:
                exchange.trace = services.sampler.trace(exchange.id, head.fields.get(b"traceparent"))
            if model in services.keeps_text:
                exchange.keeps_text = True
                exchange.tap.bound = services.record_bytes
            recorder.started()
            services.instruments.unit(model, course.assignment.unit_source)
        delivery = ForwardedDelivery(exchange, course, course.arm, Relay(exchange, exchange.client))
        exchange.delivery = delivery
        services.exchanges.add(exchange)
        delivery.start()

    def _opened(self, exchange: Exchange) -> Sequence[str]:
        """The models that there are for this client."""
        models = self._services.steering.models
        return models if exchange.key is None else exchange.key.opened(models)

    def _envelope(self, exchange: Exchange, head: RequestHead, resolved: Resolved) -> Envelope | None:
        """What the body says; None where a body names no model (a response by its id, a preflight)."""
        if resolved.serves is not Serves.MODEL:
            return None
        fields = head.fields
        if b"content-encoding" in fields and fields[b"content-encoding"].lower() != b"identity":
            raise errors.encoded_body(fields[b"content-encoding"].decode("latin-1"))
        exchange.content_type = fields.get(b"content-type", b"").decode("latin-1")
        return self._services.envelopes.read(exchange.body, exchange.content_type)

    def _answer(self, exchange: Exchange, resolved: Resolved) -> None:
        services = self._services
        models = self._opened(exchange)
        if resolved.serves is Serves.MODELS:
            exchange.answer(200, messages.JSON, services.models.all(models))
        elif resolved.serves is Serves.MODEL_CARD:
            if resolved.subject not in models:
                raise errors.unknown_model(resolved.subject, models)
            exchange.answer(200, messages.JSON, services.models.one(resolved.subject))
        elif resolved.serves is Serves.READYZ and services.draining:
            raise errors.draining()
        elif resolved.serves is Serves.READYZ and not services.ready():
            raise errors.not_ready()
        else:
            exchange.answer(200, messages.JSON, _OK)


_FORWARDED = (Serves.MODEL, Serves.RESPONSE, Serves.ANY)
_KEYLESS = (Serves.LIVEZ, Serves.READYZ, Serves.HEALTH)
"""Probes say nothing but yes or no."""


def _is_preflight(head: RequestHead) -> bool:
    """What a browser asks before a request of a page: by its standard it has no body, and carries no key."""
    names = (b"origin", b"access-control-request-method")
    return not head.length and not head.chunked and all(name in head.fields for name in names)
