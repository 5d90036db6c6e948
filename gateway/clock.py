"""The system's clock: the one place where the time is read."""

import time


class SystemClock:
    """`gateway.ports.Clock` on the operating system."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch, UTC."""
        return time.time_ns() // 1000  # noqa: TID251 - this is the clock that the rule asks for

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
