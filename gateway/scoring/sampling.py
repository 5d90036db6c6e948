"""Which units' exchanges are scored, where not all are."""

import msgspec

from gateway.core.assignment import bucket

SALT = b"tipstaff scoring sample"
"""Not an assignment's salt: who is scored must not depend on who got which arm."""


class Sample(msgspec.Struct, frozen=True):
    """The share of units, in (0, 1], that is scored; the same units for as long as share and salt stay."""

    share: float
    salt: bytes = SALT

    def takes(self, unit: bytes) -> bool:
        """Whether the unit of that hash is scored; who is at a share is also at every larger one."""
        return bucket(self.salt, unit) < self.share
