"""Threads that go on while a test does something."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[[int], object], count: int, enough: threading.Event, seconds: float) -> Iterator[None]:
    """`count` threads, each with its number, while the block runs; then `enough` is set, and each has so many
    seconds to see it.
    """
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join(seconds)
