"""Runs one installation step; its last words become the reason when it fails."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.components.component import Missing


def run(command: Sequence[str | os.PathLike[str]], deadline: float, **environment: str) -> str:
    """Runs `command` without standard input and returns its output; Missing when it fails or is too slow."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=deadline,
            env=_environment(environment),
            check=False,
        )
    except OSError as error:  # not there, or not for this user
        raise Missing(f"{command[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{_short(command)} took longer than {deadline:.0f} s") from None
    if done.returncode != 0:
        raise Missing(f"{_short(command)} failed: {_last_line(done.stdout)}")
    return done.stdout


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **extra}


def _short(command: Sequence[str | os.PathLike[str]]) -> str:
    return " ".join(Path(part).name for part in command[:4])


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
