"""`tipstaff serve` for the demo: a process of its own, over a temporary data folder, on free ports."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from gateway.demo.session import dies_with_parent, kill_session

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.1
_PORT_TAKEN = 3
_TRIES = 3


class GatewayFailed(Exception):
    """It did not start, or not in time; the text has its last words."""


class GatewayProcess:
    """One `tipstaff serve`. It is told to end when this process dies, where the machine offers that."""

    def __init__(self, folder: Path, models: dict[str, Any]) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        self.data_port = self.admin_port = 0
        self._models = models
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The data port's address."""
        return f"http://{HOST}:{self.data_port}"

    @property
    def admin_url(self) -> str:
        """The admin port's address."""
        return f"http://{HOST}:{self.admin_port}"

    async def start(self) -> None:
        """Start it and wait until both ports are ready. Raises GatewayFailed."""
        for _ in range(_TRIES):
            await self._spawn()
            if await self._ready():
                return
            if await self._ended() != _PORT_TAKEN:
                break  # a port that was free a moment ago is the one thing that another try can mend
        raise GatewayFailed(f"tipstaff serve is not ready: {self._last_words()}")

    async def stop(self) -> int:
        """SIGTERM, then force; the exit code, 0 also where it never ran. A second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            return -signal.SIGKILL
        finally:
            kill_session(process.pid)
            await process.wait()

    async def _spawn(self) -> None:
        self.data_port, self.admin_port = _free_ports()
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False), encoding="utf-8")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *dies_with_parent(),
                *(sys.executable, "-m", "gateway.cli", "serve", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state")},
                start_new_session=True,  # Ctrl-C is ours to pass on, in order
            )

    def _config(self) -> dict[str, Any]:
        return {
            "listen": f"{HOST}:{self.data_port}",
            "admin": f"{HOST}:{self.admin_port}",
            "data": str(self.folder / "data"),
            "expose_arm": True,
            "deadlines": {"drain": 10},
            "models": self._models,
        }

    async def _ready(self) -> bool:
        """True once both ports say so; False when the process ends first, or time is over."""
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            for _ in range(round(_START_SECONDS / _POLL_SECONDS)):
                if self._process is None or self._process.returncode is not None:
                    return False
                if await _says_ready(client, self.admin_url) and await _says_ready(client, self.url):
                    return True
                await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _ended(self) -> int:
        process = self._process
        if process is not None and process.returncode is not None:
            return process.returncode
        return await self.stop()

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"{' / '.join(lines[-3:]) or 'it said nothing'} (log: {self.log})"


async def _says_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).is_success
    except httpx.HTTPError:
        return False  # not listening yet


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
