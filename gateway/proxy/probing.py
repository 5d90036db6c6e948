"""Asks ejected endpoints for /health, so that they come back before a user has to try them."""

import asyncio

from gateway.proxy.arms import Arms
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.fetch import Fetch, Unanswered

PROBE_SECONDS = 1.0


class Prober:
    """Probes what is ejected and nothing else: a probe never takes an endpoint out of service."""

    def __init__(self, arms: Arms, fetch: Fetch) -> None:
        self._arms = arms
        self._fetch = fetch

    async def run(self) -> None:
        """Probe for ever, PROBE_SECONDS after the last answers came in."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self.probe()

    async def probe(self) -> None:
        """Probe every ejected endpoint once, all at the same time."""
        ejected = [endpoint for arm in self._arms.values() for endpoint in arm.endpoints if endpoint.health.ejected]
        await asyncio.gather(*map(self._probe, ejected))

    async def _probe(self, endpoint: Endpoint) -> None:
        try:
            answer = await self._fetch(endpoint, "/health")
        except Unanswered:
            endpoint.probed(alive=False)
        else:
            # A server without such a route, or that wants a key for it, is there all the same.
            endpoint.probed(alive=answer.status < 500)
