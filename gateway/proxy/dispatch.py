"""Takes a whole request and sets it on its way: an answer of our own, or an arm's."""

from gateway.core import errors
from gateway.core.envelope import Envelope
from gateway.core.errors import GatewayError
from gateway.core.paths import Resolved, Serves, resolve
from gateway.proxy import messages
from gateway.proxy.delivery import ForwardedDelivery
from gateway.proxy.exchange import Exchange
from gateway.proxy.http1 import RequestHead
from gateway.proxy.relay import Relay
from gateway.proxy.services import Services
from gateway.proxy.steering import Asked
from gateway.proxy.tap import Tap

_KNOWN_TARGETS = 1024
_OK = b'{"status":"ok"}'


class Dispatcher:
    """Routes, reads the envelope, steers, delivers. Every error is told to the client in its dialect."""

    def __init__(self, services: Services) -> None:
        self._services = services
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

    def dispatch(self, exchange: Exchange, head: RequestHead, resolved: Resolved) -> None:
        """Answer, or begin to deliver, a request whose body is all there."""
        try:
            if resolved.serves in _FORWARDED:
                self._forward(exchange, head, resolved)
            else:
                self._answer(exchange, resolved)
        except GatewayError as error:
            exchange.fail(error)

    def _forward(self, exchange: Exchange, head: RequestHead, resolved: Resolved) -> None:
        services = self._services
        if resolved.route.recorded and not services.recorder.accepts():
            raise errors.log_full()
        envelope = self._envelope(exchange, head, resolved)
        steering = services.steering
        response_id = resolved.subject if resolved.serves is Serves.RESPONSE else ""
        if envelope is not None:
            model = steering.model(envelope.model)
            response_id = response_id or envelope.previous_response_id
        elif response_id:
            model = steering.pinned_model(response_id)
        else:
            model = steering.models[0]
        exchange.envelope = envelope
        course = steering.course(
            Asked(exchange.id, model, resolved.route, head.fields, exchange.body, envelope, response_id)
        )
        exchange.course = course
        if resolved.route.recorded and envelope is not None:
            exchange.recorded = True
            exchange.keeps_text = model in services.keeps_text
            exchange.tap = Tap(services.record_bytes if exchange.keeps_text else 0)
            services.recorder.started()
            services.instruments.unit(model, course.assignment.unit_source)
        delivery = ForwardedDelivery(exchange, course, course.arm, Relay(exchange, exchange.client))
        exchange.delivery = delivery
        services.exchanges.add(exchange)
        delivery.start()

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
        if resolved.serves is Serves.MODELS:
            exchange.answer(200, messages.JSON, services.models.all())
        elif resolved.serves is Serves.MODEL_CARD:
            card = services.models.one(resolved.subject)
            if card is None:
                raise errors.unknown_model(resolved.subject, services.steering.models)
            exchange.answer(200, messages.JSON, card)
        elif resolved.serves is Serves.READYZ and services.draining:
            raise errors.draining()
        elif resolved.serves is Serves.READYZ and not services.ready():
            raise errors.not_ready()
        else:
            exchange.answer(200, messages.JSON, _OK)


_FORWARDED = (Serves.MODEL, Serves.RESPONSE, Serves.ANY)
