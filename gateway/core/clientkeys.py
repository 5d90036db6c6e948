"""Keys of our own for clients of the data port: whose they are, and which models they open. Pure.

As with the admin port's tokens, a key is a random word, and only its SHA-256 is kept and compared.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec

from gateway.core import errors

_BEARER = b"bearer "


class ClientKey(msgspec.Struct, frozen=True):
    """One client's. `models`: those that it opens; empty: all."""

    name: str
    models: frozenset[str] = frozenset()

    def opens(self, model: str) -> bool:
        """Whether the client may ask for the model."""
        return not self.models or model in self.models

    def opened(self, models: Iterable[str]) -> list[str]:
        """Those of `models` that it opens: there are no others, as far as this client is told."""
        return [model for model in models if self.opens(model)]


class ClientKeys:
    """Keys by their digests."""

    def __init__(self, known: Mapping[bytes, ClientKey]) -> None:
        self._known = dict(known)

    def of(self, fields: Mapping[bytes, bytes]) -> ClientKey:
        """Whose key a request carries, as OpenAI's clients or as Anthropic's send it. Raises GatewayError (401)."""
        given = fields.get(b"x-api-key") or _bearer(fields.get(b"authorization", b""))
        if not given:
            raise errors.missing_key()
        found = self._known.get(sha256(given).digest())
        if found is None:
            raise errors.wrong_key()
        return found


def _bearer(value: bytes) -> bytes:
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""
