"""`tipstaff proxy` that counts nothing of requests: the control of what metrics cost. Run as a module."""

from gateway.cli import main
from gateway.core.exchange import Reason, Route
from gateway.proxy import dataplane
from gateway.proxy.instruments import Instruments, Series
from gateway.telemetry.metrics import Meters


class _Nothing:
    """Where a gauge or a histogram would be."""

    def inc(self, amount: float = 1.0) -> None:
        """Nothing."""

    def observe(self, value: float) -> None:
        """Nothing."""


class _BareSeries(Series):
    def __init__(self, meters: Meters, model: str, arm: str, route: Route) -> None:
        super().__init__(meters, model, arm, route)
        self.in_flight = self.inter_chunk = self.overhead = _Nothing()  # type: ignore[assignment]

    def ended(self, status: int, reason: Reason, seconds: float, first_byte: float | None) -> None:
        """Nothing."""


class _BareInstruments(Instruments):
    def series(self, model: str, arm: str, route: Route) -> Series:
        found = self._series.get((model, arm, route))
        if found is None:
            found = self._series[model, arm, route] = _BareSeries(self._meters, model, arm, route)
        return found

    def unit(self, model: str, source: str) -> None:
        """Nothing."""


if __name__ == "__main__":
    setattr(dataplane, "Instruments", _BareInstruments)  # noqa: B010 - in the place of what it imported
    main()
