"""Where a stored response lives, so that what follows it goes to the same server."""

from collections import OrderedDict
from typing import NamedTuple

CAPACITY = 100_000


class Pin(NamedTuple):
    """The endpoint that made a response."""

    model: str
    arm: str
    url: str


class Pins:
    """Response id -> Pin, for the `capacity` ids that were last made or asked for. Lost with the process."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._pins: OrderedDict[str, Pin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pins)

    def put(self, response_id: str, pin: Pin) -> None:
        """Remember; the id longest unused makes room."""
        self._pins[response_id] = pin
        self._pins.move_to_end(response_id)
        if len(self._pins) > self._capacity:
            self._pins.popitem(last=False)

    def get(self, response_id: str) -> Pin | None:
        """Where the response lives; None when it is not known here."""
        pin = self._pins.get(response_id)
        if pin is not None:
            self._pins.move_to_end(response_id)
        return pin

    def forget(self, response_id: str) -> None:
        """The response was deleted; one that is not known is no error."""
        self._pins.pop(response_id, None)
