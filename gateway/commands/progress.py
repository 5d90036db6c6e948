"""A bar for what takes longer than people like to wait without one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import Progress

from gateway.ports import Clock

_SECONDS = 2.0


@contextmanager
def late_bar(what: str, clock: Clock, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """What it gives is told how much of how much is done; a bar shows it from 2 s on, where there is a terminal."""
    console = console or Console(stderr=True)
    progress, began = Progress(console=console, transient=True), clock.monotonic()
    task = progress.add_task(what)
    with ExitStack() as shown:

        def done(part: int, whole: int) -> None:
            progress.update(task, completed=part, total=whole)
            late = clock.monotonic() - began >= _SECONDS
            if late and console.is_terminal and not progress.live.is_started:
                shown.enter_context(progress)

        yield done
