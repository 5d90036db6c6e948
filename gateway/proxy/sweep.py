"""Looks, at least twice a second, for what has waited too long. No timer per connection, none per chunk."""

from gateway.core import errors
from gateway.proxy.delivery import ForwardedDelivery
from gateway.proxy.exchange import Exchange
from gateway.proxy.services import Services

HANG_UP_SECONDS = 0.05


class Sweep:
    """`tick` every `services.interval` seconds; `look_for_hang_ups` every HANG_UP_SECONDS while anybody is deaf."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def tick(self, now: float) -> None:
        """Everything that is due at `now` (monotonic seconds)."""
        services = self._services
        services.now = now
        oldest = now - services.deadlines.keep_alive - services.interval
        for connection in [each for each in services.connections if each.idle_since <= oldest]:
            connection.leave()
        for connection in services.heads.take_due(now):
            connection.late(services.deadlines.header)
        for connection in services.bodies.take_due(now):
            connection.late(services.deadlines.idle)
        for connection in services.lingering.take_due(now):
            connection.give_up()
        for exchange in tuple(services.exchanges):
            self._check(exchange, now)
        services.pool.sweep(now)

    def look_for_hang_ups(self) -> None:
        """Clients whose connection is not being read (too much is pipelined) tell only so that they have gone."""
        for connection in tuple(self._services.deaf):
            if connection.hung_up():
                connection.gone()
                connection.give_up()
        if not self._services.deaf:
            self._services.deafened.clear()

    def _check(self, exchange: Exchange, now: float) -> None:
        deadlines = self._services.deadlines
        delivery = exchange.delivery
        if not isinstance(delivery, ForwardedDelivery):
            return
        if now - exchange.began >= deadlines.total:
            delivery.timed_out("whole answer", deadlines.total, at_fault=False)
        elif exchange.paused:
            self._check_client(exchange, now)
        elif exchange.tap.pieces == 0:
            if exchange.sent_at is not None and now - exchange.sent_at >= deadlines.first_byte:
                delivery.timed_out("answer", deadlines.first_byte, at_fault=True)
        elif exchange.seen != exchange.tap.pieces:
            exchange.seen, exchange.seen_at = exchange.tap.pieces, now
        elif now - exchange.seen_at >= deadlines.idle:
            delivery.timed_out("further piece", deadlines.idle, at_fault=True)

    def _check_client(self, exchange: Exchange, now: float) -> None:
        """A client that takes nothing at all for `idle` seconds is let go; it is not the arm's fault."""
        unsent = -1 - exchange.client.unsent()
        if exchange.seen != unsent:
            exchange.seen, exchange.seen_at = unsent, now
        elif now - exchange.seen_at >= self._services.deadlines.idle:
            exchange.fail(errors.request_timeout(self._services.deadlines.idle))
