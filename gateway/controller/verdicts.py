"""Takes verdicts from the event log into the index of exchanges."""

from collections.abc import Callable, Sequence

from gateway.controller.index import ExchangeIndex
from gateway.controller.stream_reader import StreamReader, everybody
from gateway.ports import Entry, EventLog
from gateway.telemetry.metrics import VERDICT_ERRORS, Meters


class VerdictReader(StreamReader):
    """Reads `verdicts` from where the index stands. One thread at a time."""

    @property
    def horizon_us(self) -> int:
        """Every exchange up to this canonical time that ever gets a verdict has it in the index; 0: unknown."""
        return min(self.forwarded.values(), default=0)

    def __init__(
        self,
        events: EventLog,
        index: ExchangeIndex,
        meters: Meters,
        awaits: Callable[[str], bool] = everybody,
        taken: Callable[[Sequence[Entry]], None] = lambda _: None,
    ) -> None:
        super().__init__("verdicts", events, index, meters.counter(VERDICT_ERRORS), awaits, taken)
