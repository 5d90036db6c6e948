"""Scorers of their own, as a team runs them: `tipstaff scorer CONFIG --from kafka`, each in a process."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import yaml

from gateway.demo.session import dies_with_parent
from tests.support.wait import until

_MODELS = {"any": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}


class Scorers:
    """All in one group. Use as a context manager: all end with it."""

    def __init__(self, folder: Path, kafka: dict[str, Any]) -> None:
        self._folder = folder
        self._kafka = kafka
        self._made = 0
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        """So many more; they join when they are ready."""
        for _ in range(count):
            self._made += 1
            folder = self._folder / f"scorer-{self._made}"
            folder.mkdir(parents=True)
            config = folder / "scorer.yaml"
            written = {"models": _MODELS, "events": {"kafka": self._kafka}, "scoring": {"encoder": "none"}}
            config.write_text(yaml.safe_dump(written))
            with (folder / "log").open("wb") as log:
                command = [sys.executable, "-m", "gateway.cli", "scorer", str(config), "--from", "kafka"]
                self.running.append(
                    subprocess.Popen(
                        [*dies_with_parent(), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                )

    def kill(self) -> None:
        """The oldest, by kill -9."""
        process = self.running.pop(0)
        process.kill()
        process.wait(20)

    def stop(self) -> int:
        """The oldest, in order; its exit code."""
        process = self.running.pop(0)
        process.terminate()
        return process.wait(60)

    def pause(self) -> None:
        """The oldest says nothing more, and goes on living."""
        self.running[0].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self.running[0].send_signal(signal.SIGCONT)

    def ready(self) -> None:
        """Once every one that runs has connected."""
        until(lambda: all(map(_connected, self._logs())), 60, "the scorers have connected")

    def _logs(self) -> list[Path]:
        return [path / "log" for path in self._folder.glob("scorer-*")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.kill()
            process.wait(20)


def _connected(log: Path) -> bool:
    return "connected to Kafka" in log.read_text(errors="replace")
