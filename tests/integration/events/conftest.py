"""What kafka-python leaves behind."""

import gc
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A relay tries again for days: what an attempt leaves behind adds up.

    Sockets of failed connections kafka-python leaves to the collector: it comes here, so that no other test hears.
    """
    before = set(threading.enumerate())
    yield
    caplog.get_records("call").clear()  # what it logged holds frames, and they hold its sockets
    gc.collect()
    left = [thread.name for thread in threading.enumerate() if thread not in before and "test" not in thread.name]
    assert left == []
