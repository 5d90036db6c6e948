"""Small requests of our own to an arm's servers: what they serve, which version they are, whether they are well."""

import asyncio
import ssl
from typing import NamedTuple, Protocol

import httpx

from gateway.proxy.endpoints import Endpoint

DEADLINE = 3.0
LONGEST_BODY = 1 << 20


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Unanswered(Exception):
    """No answer, for the reason in the message: refused, too slow, no HTTP, too long."""


class Fetch(Protocol):
    """GET a path of an endpoint with the arm's key, within a deadline. Raises Unanswered."""

    async def __call__(self, endpoint: Endpoint, path: str) -> Answer: ...


class HttpFetch:
    """`Fetch` over the network: a fresh connection each, so that it says what a new one would find."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: http:// endpoints never use it
        self._clients: dict[ssl.SSLContext, httpx.AsyncClient] = {}

    async def __call__(self, endpoint: Endpoint, path: str) -> Answer:
        """The answer, read whole; a redirect is an answer too."""
        headers = {} if endpoint.authorization is None else {"authorization": endpoint.authorization.decode()}
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._client(endpoint).stream("GET", endpoint.url + path, headers=headers) as response,
            ):
                return Answer(response.status_code, await _whole(response))
        except TimeoutError as error:
            raise Unanswered(f"no answer within {self._deadline:g} s") from error
        except httpx.HTTPError as error:
            raise Unanswered(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Let go of all clients."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        context = endpoint.ssl or self._plain
        client = self._clients.get(context)
        if client is None:
            # trust_env would send these through a proxy from the environment, which the data plane never does.
            client = self._clients[context] = httpx.AsyncClient(
                verify=context,
                trust_env=False,
                timeout=None,  # noqa: S113 - one deadline over the whole exchange, above
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return client


async def _whole(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LONGEST_BODY:
            raise Unanswered(f"the answer is longer than {LONGEST_BODY} bytes")
    return bytes(body)
