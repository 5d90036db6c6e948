"""Who asks at the admin port, what they may do, and the tokens that tell. Pure.

A role may do all that the one before it may: a proxy, another gateway, follows the routing table; a viewer reads
numbers and decisions; an auditor also the redacted text of exchanges and the audit stream; an operator also changes
things. Tokens are random words, so their SHA-256
is all that is kept, and all that is compared: who guesses part of one gets a digest that has nothing in common.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256

import msgspec

_HASHED = "sha256:"
_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Right(StrEnum):
    """What a request needs."""

    TABLE = "follow the routing table"
    READ = "read"
    TEXT = "text"
    AUDIT = "audit"
    CHANGE = "change"


class Role(StrEnum):
    """What somebody may do."""

    PROXY = "proxy"
    VIEWER = "viewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"

    @property
    def rights(self) -> frozenset[Right]:
        """All of them."""
        return _RIGHTS[self]


_RIGHTS = {
    Role.PROXY: frozenset({Right.TABLE}),
    Role.VIEWER: frozenset({Right.TABLE, Right.READ}),
    Role.AUDITOR: frozenset({Right.TABLE, Right.READ, Right.TEXT, Right.AUDIT}),
    Role.OPERATOR: frozenset(Right),
}
RESERVED = frozenset({"tipstaff", "config", "replay", "operator", "anybody"})
"""Names that decisions carry already: of the rules, of the configuration, and of who has no name."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")


def is_name(name: str) -> bool:
    """Whether somebody may be called so: a word or an address that is nobody else's, in whatever case."""
    return _NAME.fullmatch(name) is not None and name.lower() not in RESERVED


class Identity(msgspec.Struct, frozen=True):
    """Somebody, as decisions and the audit stream name them."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the role has it."""
        return right in self.role.rights


NAMELESS = Identity("operator", Role.OPERATOR)
"""Whoever has the one token of `admin_token_file`, or asks from this machine where there is none."""


def digest(held: str) -> bytes:
    """SHA-256 of the token that a file holds, or that is written there in its place: sha256:HEX.

    Raises ValueError for a hash that is none.
    """
    if not held.lower().startswith(_HASHED):
        return sha256(held.encode()).digest()
    written = held[len(_HASHED) :]
    if not _HEX.fullmatch(written):
        raise ValueError(f"expected {_HASHED} and 64 hex digits, as `tipstaff token` writes them")
    if bytes.fromhex(written) == sha256().digest():
        raise ValueError("it is the hash of nothing: the token was empty when it was made")
    return bytes.fromhex(written)


def hashed(token: str) -> str:
    """What may stand in a file in a token's place."""
    return _HASHED + sha256(token.encode()).hexdigest()


class Tokens:
    """Tokens by their digests."""

    def __init__(self, known: Mapping[bytes, Identity]) -> None:
        self._known = dict(known)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def of(self, token: bytes) -> Identity | None:
        """Whose it is; None: nobody's."""
        return self.holder(sha256(token).digest())

    def holder(self, token_digest: bytes) -> Identity | None:
        """The same for a token of which only the SHA-256 is kept."""
        return self._known.get(token_digest)
