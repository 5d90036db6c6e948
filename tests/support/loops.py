"""Runs an async test on uvloop, as the proxy itself runs."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a synchronous test of an async one."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        uvloop.run(test(*args, **kwargs))

    return run
