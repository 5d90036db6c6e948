"""A clock that moves when a test says so."""


class ManualClock:
    """`gateway.ports.Clock` that stands still until it is moved; the wall clock may also go back."""

    def __init__(self, now_us: int = 1_760_000_000_000_000) -> None:
        self.us = now_us
        self.seconds = 0.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Both clocks go on."""
        self.us += round(seconds * 1e6)
        self.seconds += seconds

    def set_back(self, seconds: float) -> None:
        """Someone sets the wall clock back."""
        self.us -= round(seconds * 1e6)
