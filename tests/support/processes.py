"""No process of a test outlives it: found by a mark in the environment, so that orphans are found too."""

import os
import time
import uuid
from collections.abc import Iterator

import psutil

MARK = "TIPSTAFF_TEST_SESSION"
GRACE = 3.0


def mark_children() -> None:
    """Gives this process's future children, and theirs, a mark by which they are known as ours."""
    os.environ[MARK] = uuid.uuid4().hex  # noqa: TID251 - a name, not an id that is sorted


def marked() -> set[int]:
    """Pids of living processes with our mark, this one left out."""
    return {process.pid for process in _marked()}


def _marked() -> Iterator[psutil.Process]:
    mark = os.environ.get(MARK)
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark and not _helper(process):
                yield process
        except psutil.Error:
            continue  # ended meanwhile, or not ours to look at


def _helper(process: psutil.Process) -> bool:
    """True for the zombie and for the tracker that multiprocessing keeps for as long as Python runs."""
    if process.status() == psutil.STATUS_ZOMBIE:
        return True
    return any("multiprocessing.resource_tracker" in word for word in process.cmdline())


def leaked(before: set[int], lasting: set[int], grace: float = GRACE) -> list[psutil.Process]:
    """Processes younger than `before` that still run after `grace` seconds.

    `lasting` are the session leaders that may stay, with all that they start: servers which a fixture shares
    between tests.
    """
    until = time.monotonic() + grace
    while True:
        left = [process for process in _marked() if process.pid not in before and not _lasts(process, lasting)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)


def _lasts(process: psutil.Process, lasting: set[int]) -> bool:
    try:
        family = [process, *process.parents()]  # PostgreSQL gives each child a session of its own
        return any(os.getsid(each.pid) in lasting for each in family)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return True  # it has ended


def end(processes: list[psutil.Process]) -> list[str]:
    """Kills `processes`, all of them ours, and says what they were."""
    return [_end(process) for process in processes]


def _end(process: psutil.Process) -> str:
    try:
        words = " ".join(process.cmdline())
        process.kill()
    except psutil.NoSuchProcess:
        return f"{process.pid}: ended meanwhile"
    return f"{process.pid}: {words[:200]}"
