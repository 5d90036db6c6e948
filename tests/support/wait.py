"""Waiting for something to become true, with a deadline and its name in the error."""

import threading
import time
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float, what: str, every: float = 0.02) -> None:
    """Return when `true()` holds; raise AssertionError naming `what` after `seconds`.

    For conditions of other processes, which offer no event to wait on.
    """
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        pause.wait(every)
