"""Processes under measurement: pinned, timed by the kernel's own accounting, ended by their own pid."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.ports import listening
from tests.support.wait import until

PROXY_CORE = 0
LOAD_CORE = 1


@contextmanager
def running(arguments: Sequence[str | Path], core: int, port: int, log: Path, grace: float = 20) -> Iterator[int]:
    """Run a server on one core until the block ends; yields its pid once something listens on `port`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, arguments)],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        until(lambda: listening(port) or process.poll() is not None, 30, f"{arguments[0]} listens on {port}")
        if process.poll() is not None:
            raise RuntimeError(f"{arguments[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children, all threads, so far."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(times.user + times.system for times in (member.cpu_times() for member in family))


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(member.memory_info().rss for member in family)


def pin_self() -> None:
    """The load generator stays off the measured core."""
    os.sched_setaffinity(0, {LOAD_CORE})
