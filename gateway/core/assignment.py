"""Which arm a unit gets: a keyed hash, a bucket in [0, 1), a table. Nothing else decides.

An auditor recomputes an assignment from a record's `unit_hash` and the table's `salt`; the unit key, which
hides who the unit is, is not needed for it.
"""

from hashlib import blake2b
from typing import Literal

from gateway.core.routing import ModelRoute

UnitKind = Literal["user", "conversation", "request"]

_BELOW_ONE = 1.0 - 2.0**-53


def unit_hash(key: bytes, kind: UnitKind, value: bytes) -> bytes:
    """16 bytes: the first of BLAKE2b(key=`key`, `kind` NUL `value`). `key` is at most 64 bytes."""
    return blake2b(kind.encode() + b"\0" + value, key=key).digest()[:16]


def bucket(salt: bytes, unit: bytes) -> float:
    """The place in [0, 1) of a unit's hash: the first 8 bytes of BLAKE2b(key=`salt`, `unit`) over 2^64."""
    return min(int.from_bytes(blake2b(unit, key=salt).digest()[:8], "big") / 2.0**64, _BELOW_ONE)


def assign(route: ModelRoute, place: float) -> str:
    """The arm that owns `place`. Arms after the first own [0, w), one after another; the first has the rest.

    Raising the weight w of the only weighted arm moves units onto it and none off it.
    """
    edge = 0.0
    for share in route.arms[1:]:
        edge += share.weight
        if place < edge:
            return share.arm
    return route.arms[0].arm
