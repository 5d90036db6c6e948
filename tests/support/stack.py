"""The whole gateway as a user starts it: `tipstaff serve` in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.ports import free_port
from tests.support.wait import until

START_SECONDS = 120.0
"""Four processes import their parts; a machine that is busy otherwise takes its time."""


def tipstaff(
    *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, as in a shell."""
    command = [sys.executable, "-m", "gateway.cli", *map(str, arguments)]
    both = {**os.environ, **(environment or {})}
    return subprocess.run(
        command, env=both, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )


class Stack:
    """`tipstaff serve` on free ports over a folder. Use as a context manager: it ends by its own pid.

    `models` is the configuration's `models`; `more` any other keys; `config` instead of both: a file's text, on
    which free ports are laid through the environment; `environment`: further variables.
    """

    def __init__(
        self,
        folder: Path,
        models: dict[str, Any] | None = None,
        *,
        config: str = "",
        environment: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port, self.admin_port = free_port(), free_port()
        self.config = folder / "config.yaml"
        self.output = folder / "serve.out"
        self.errors = folder / "serve.err"
        self.environment = {
            "XDG_STATE_HOME": str(folder / "state"),
            "TIPSTAFF__LISTEN": f"127.0.0.1:{self.port}",
            "TIPSTAFF__ADMIN": f"127.0.0.1:{self.admin_port}",
            **(environment or {}),
        }
        self.config.write_text(config or yaml.safe_dump({"models": models, **more}, sort_keys=False))
        self._process: subprocess.Popen[bytes] | None = None
        token = more.get("admin_token_file")
        headers = {"authorization": f"Bearer {Path(str(token)).read_text().strip()}"} if token else {}
        self.client = httpx.Client(base_url=self.url, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
        """A client of the data port; every request has a connection of its own, which any worker may get."""
        self.admin = httpx.Client(base_url=self.admin_url, timeout=20, headers=headers)

    @property
    def url(self) -> str:
        """Base address of the data port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """Base address of the admin port."""
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self) -> Self:
        """Start and wait until all its processes are ready."""
        self.launch()
        process = self._process
        assert process is not None
        until(
            lambda: self.said("try it:") or process.poll() is not None,
            START_SECONDS,
            "tipstaff serve is ready",
            0.05,
        )
        if process.poll() is not None:
            raise RuntimeError(f"tipstaff serve ended with {process.returncode}: {self.errors.read_text()[-3000:]}")
        return self

    def launch(self) -> None:
        """Start, and wait for nothing."""
        with self.output.open("wb") as output, self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "serve", str(self.config)],
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,  # a shared one is known by its session: see `lasting_processes`
            )

    def said(self, words: str) -> bool:
        """Whether it has printed `words`."""
        return words in self.output.read_text(errors="replace")

    def pid(self, process: str = "") -> int:
        """The pid of `proxy-0`, `scorer-0`, `controller`, or of the supervisor."""
        return int(self._lock(process).read_text())

    def processes(self) -> set[str]:
        """Names of the supervised processes that ever ran here."""
        return {path.stem for path in (self.data / "locks").glob("*.lock")}

    def _lock(self, process: str) -> Path:
        return self.data / "locks" / f"{process}.lock" if process else self.data / "lock"

    def kill(self, process: str) -> int:
        """Kill -9 one process, and return its pid; the supervisor starts another."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGKILL)
        return pid

    def restarted(self, process: str, killed: int) -> bool:
        """Whether another process has taken the place of the one that had pid `killed`."""
        written = self._lock(process).read_text().strip()
        return written not in ("", str(killed))

    def start_rollout(self, model: str, plan: str, token: Path | None = None) -> None:
        """As somebody does at the command line. `plan`: a file's text; `token`: an operator's, if one is needed."""
        path = self.folder / "plan.yaml"
        path.write_text(plan)
        where = ("--admin", f"127.0.0.1:{self.admin_port}", *(() if token is None else ("--token-file", token)))
        started = tipstaff("rollout", "start", model, "--plan", path, "--reason", "v2", *where)
        assert started.returncode == 0, started.stderr

    def status(self) -> dict[str, Any]:
        """The admin API's status."""
        answer: dict[str, Any] = self.admin.get("/api/v1/status").raise_for_status().json()
        return answer

    def ledger(self) -> dict[str, dict[str, Any]]:
        """The admin API's ledger: stream -> its account."""
        streams = self.admin.get("/api/v1/ledger").raise_for_status().json()["streams"]
        return {each["stream"]: each for each in streams}

    def settled(self, seconds: float = 60) -> dict[str, dict[str, Any]]:
        """The ledger, once nothing is on its way any more in any stream."""
        until(self._is_settled, seconds, "the ledger settles", 0.1)
        return self.ledger()

    def _is_settled(self) -> bool:
        try:
            return all(each["settled"] for each in self.ledger().values())
        except (httpx.TransportError, httpx.HTTPStatusError):
            return False  # the controller is being started again

    def exchanges(self, **wanted: str) -> list[dict[str, Any]]:
        """Every exchange that the admin API lists for this filter, all pages of it."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "500", **wanted, **({"cursor": cursor} if cursor else {})}
            page = self.admin.get("/api/v1/exchanges", params=query).raise_for_status().json()
            found += page["exchanges"]
            cursor = page["next"]
        return found

    def exchange(self, identifier: str, seconds: float = 30) -> dict[str, Any]:
        """One exchange, whole, once its verdict has arrived."""
        path = f"/api/v1/exchanges/{identifier}"
        until(lambda: self.admin.get(path).is_success, seconds, f"a verdict of {identifier}", 0.1)
        answer: dict[str, Any] = self.admin.get(path).json()
        return answer

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series of that name in /metrics that carry `labels`."""
        text = self.admin.get("/metrics").raise_for_status().text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, grace: float = 90) -> int:
        """Its exit code; when it does not end within `grace` seconds it is killed, and the test hears of it."""
        process = self._process
        if process is None:
            return 0
        try:
            return process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def stop(self) -> int:
        """SIGTERM and its exit code; a second call returns the same."""
        self.terminate()
        return self.wait()

    def close(self) -> None:
        """Stop, and let go of all connections."""
        self.stop()
        self.client.close()
        self.admin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
