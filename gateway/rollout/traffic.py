"""How much traffic a model has, as far as a forecast needs it: exchanges, and units seen for the first time."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec


class Traffic(msgspec.Struct, frozen=True):
    """`exchanges`: per second. `windows`: (seconds, units) rising, the distinct units of the last so many seconds.

    Users come back, so units grow slower than exchanges: between two windows their number is taken as a straight
    line, and behind the last one it goes on as between the last two.
    """

    exchanges: float
    windows: tuple[tuple[float, float], ...]

    def units(self, seconds: float) -> float:
        """How many distinct units so many seconds bring."""
        for (start, low), (end, high) in pairwise(self._points()):
            if seconds <= end:
                return low + (high - low) * (seconds - start) / (end - start)
        end, high = self._points()[-1]
        return high + (seconds - end) * self._slope()

    def seconds(self, units: float) -> float | None:
        """How long it takes until so many were seen; None: they never will be."""
        for (start, low), (end, high) in pairwise(self._points()):
            if units <= high:
                return start + (end - start) * (units - low) / (high - low) if high > low else end
        end, high = self._points()[-1]
        slope = self._slope()
        return end + (units - high) / slope if slope > 0 else None

    def exchanges_in(self, seconds: float) -> int:
        """Exchanges that one unit has in so many seconds, at least 1."""
        return max(1, round(self.exchanges * seconds / max(self.units(seconds), 1.0)))

    def _points(self) -> Sequence[tuple[float, float]]:
        return ((0.0, 0.0), *self.windows)

    def _slope(self) -> float:
        """Units per second that are new after the longest window."""
        points = self._points()
        if len(points) < 2:
            return 0.0
        (start, low), (end, high) = points[-2:]
        return (high - low) / (end - start)
