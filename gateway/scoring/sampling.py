"""Which units' exchanges are scored, where not all are."""

import msgspec

from gateway.core.assignment import bucket

_SALT = b"tipstaff scoring sample"
"""Not an assignment's salt: who is scored must not depend on who got which arm."""


class Sample(msgspec.Struct, frozen=True):
    """The share of units, in (0, 1], that is scored; always the same units."""

    share: float

    def takes(self, unit: bytes) -> bool:
        """Whether the unit of that hash is scored. A larger share takes all that a smaller one takes, and more."""
        return bucket(_SALT, unit) < self.share
