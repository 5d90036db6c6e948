"""The chain of decisions: each carries the hash of the one before, so a cut or an edit shows.

Canonical form: the decision as JSON in UTF-8, its keys (and its `type`) sorted, no white space, numbers in
their shortest form that reads back the same. The hash is SHA-256 over these bytes, in hex.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from gateway.events.schema import DecisionV1

GENESIS = "0" * 64
"""What the first decision of a store has as `previous`."""


def canonical(decision: DecisionV1) -> bytes:
    """The bytes that are hashed and stored."""
    return msgspec.json.encode(decision, order="sorted")


def decision_hash(decision: DecisionV1) -> str:
    """The `previous` of the decision that follows."""
    return sha256(canonical(decision)).hexdigest()


def link(decisions: Iterable[DecisionV1], head: str) -> list[DecisionV1]:
    """`decisions` with `previous` set one after another; `head` is the hash of the last one before them."""
    linked = []
    for decision in decisions:
        joined = msgspec.structs.replace(decision, previous=head)
        linked.append(joined)
        head = decision_hash(joined)
    return linked


def first_break(decisions: Iterable[DecisionV1], head: str = GENESIS) -> int | None:
    """The place of the first decision that does not follow from the one before; None: the chain is whole."""
    for place, decision in enumerate(decisions):
        if decision.previous != head:
            return place
        head = decision_hash(decision)
    return None


class Link(msgspec.Struct, frozen=True):
    """What the chain needs to know of a stored decision."""

    previous: str


def hashes(bodies: Iterable[bytes]) -> Iterator[tuple[str, bool]]:
    """Of decisions as they are stored, oldest first: the hash of each, and whether it follows from the one before.

    The bytes themselves are hashed, so that what a later version adds to a decision holds here too. Raises
    msgspec.DecodeError for what is no decision.
    """
    head = GENESIS
    for body in bodies:
        follows = msgspec.json.decode(body, type=Link).previous == head
        head = sha256(body).hexdigest()
        yield head, follows
