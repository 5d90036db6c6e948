"""Processes that the demo starts: none outlives it, whatever happens to it."""

import os
import shutil
import signal


def dies_with_parent() -> tuple[str, ...]:
    """A prefix that ends a command when we are killed, where the machine has one."""
    program = shutil.which("setpriv")
    return (program, "--pdeathsig", "TERM", "--") if program else ()


def kill_session(leader: int) -> None:
    """Kill what is left of a session that was started for a command: it and its own children, nobody else."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
