"""The whole gateway as a user starts it: `tipstaff serve` in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.support.ports import free_port
from tests.support.wait import until


class Stack:
    """`tipstaff serve` on free ports over a folder. Use as a context manager: it ends by its own pid.

    `models` is the configuration's `models`; `more` any other keys.
    """

    def __init__(self, folder: Path, models: dict[str, Any], **more: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port, self.admin_port = free_port(), free_port()
        self.config = folder / "config.yaml"
        self.output = folder / "serve.out"
        self.errors = folder / "serve.err"
        addresses = {"listen": f"127.0.0.1:{self.port}", "admin": f"127.0.0.1:{self.admin_port}"}
        self.write_config({**addresses, "data": str(self.data), "models": models, **more})
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = httpx.Client(base_url=f"http://127.0.0.1:{self.admin_port}", timeout=10)

    @property
    def url(self) -> str:
        """Base address of the data port."""
        return f"http://127.0.0.1:{self.port}"

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace the configuration; takes effect at the next start."""
        self.config.write_text(yaml.safe_dump(config))

    def start(self) -> Self:
        """Start and wait until all its processes are ready."""
        environment = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state")}
        with self.output.open("wb") as output, self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", str(self.config)],
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        process = self._process
        until(lambda: self.said("try it:") or process.poll() is not None, 60, "tipstaff serve is ready")
        if process.poll() is not None:
            raise RuntimeError(f"tipstaff serve ended with {process.returncode}: {self.errors.read_text()[-3000:]}")
        return self

    def said(self, words: str) -> bool:
        """Whether it has printed `words`."""
        return words in self.output.read_text(errors="replace")

    def pid(self, process: str = "") -> int:
        """The pid of `proxy-0`, `scorer-0`, `controller`, or of the supervisor."""
        lock = self.data / "locks" / f"{process}.lock" if process else self.data / "lock"
        return int(lock.read_text())

    def kill(self, process: str) -> None:
        """Kill -9 one process; the supervisor starts another."""
        os.kill(self.pid(process), signal.SIGKILL)

    def ledger(self) -> dict[str, Any]:
        """The admin API's ledger."""
        answer: dict[str, Any] = self.admin.get("/api/v1/ledger").raise_for_status().json()
        return answer

    def stop(self, grace: float = 60) -> int:
        """SIGTERM and its exit code; a second call returns the same."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.admin.close()
