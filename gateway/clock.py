"""The system's clock: the one place where the time is read."""

import time


class SystemClock:
    """`gateway.ports.Clock` on the operating system."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch, UTC."""
        return time.time_ns() // 1000  # noqa: TID251 - this is the clock that the rule asks for

    monotonic = staticmethod(time.monotonic)
    """Seconds that never go back. The function itself: the data plane asks several times a request."""
