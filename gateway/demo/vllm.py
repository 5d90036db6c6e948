"""Real vLLM servers on this machine's CPU, with a tiny model: for `tipstaff demo --model vllm` and the tests.

Only the standard library is used, so that `python3 -m tests.components` can ask where things are before
anything is installed.
"""

import contextlib
import hashlib
import http.client
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from gateway.demo.session import dies_with_parent, kill_session

VLLM_VERSION = "0.32.0"
VLLM_KEY = f"vllm-{VLLM_VERSION}"
PYTHON_VARIABLE = "TIPSTAFF_VLLM_PYTHON"
COMPLETE = ".complete"  # a cached folder without this file is not whole
TINY_MODEL_MAKER = Path(__file__).with_name("tiny_model.py")

HOST = "127.0.0.1"
START_DEADLINE = 300.0
STOP_DEADLINE = 20.0
CONTEXT = 32768  # long enough for an answer that lasts many seconds, so that an abort can be seen
ENGINE = (
    *("--max-model-len", str(CONTEXT), "--enforce-eager"),
    *("--max-num-seqs", "16", "--max-num-batched-tokens", "1024"),  # 7 s less of warm-up
)
OFFLINE = {
    "VLLM_HOST_IP": HOST,
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}
# Without bytecode a start takes 95 s instead of 37 s.
NOT_INHERITED = ("VLLM_API_KEY", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


class VllmError(Exception):
    """A server could not be started, or ended by itself; the message says why and where its log is."""


def cache_folder() -> Path:
    """The folder that all clones on this machine share; `rm -r` on it is always safe."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tipstaff"


def is_complete(folder: Path) -> bool:
    return (folder / COMPLETE).is_file()


def find_vllm_python() -> Path | None:
    """The interpreter that has vLLM: what TIPSTAFF_VLLM_PYTHON names, else the cached environment's."""
    given = os.environ.get(PYTHON_VARIABLE)
    if given:
        return Path(given)
    folder = cache_folder() / VLLM_KEY
    return folder / "venv" / "bin" / "python" if is_complete(folder) else None


def tiny_model_key() -> str:
    """Name of the model's folder in the cache; it changes with the script that makes the model."""
    return f"tiny-model-{hashlib.sha256(TINY_MODEL_MAKER.read_bytes()).hexdigest()[:12]}"


def find_tiny_model() -> Path | None:
    folder = cache_folder() / tiny_model_key()
    return folder if is_complete(folder) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """What to serve, and where.

    `served_names` are the ids under /v1/models, several for one model. `lora` maps further ids to adapter
    folders; `lora_at_runtime` lets adapters be loaded and unloaded while it runs. With `api_key` every /v1
    request needs it as its bearer token. `extra` arguments, and `variables` of its environment.
    """

    model: Path
    served_names: tuple[str, ...]
    port: int
    log: Path
    api_key: str | None = None
    lora: Mapping[str, Path] = field(default_factory=dict)
    lora_at_runtime: bool = False
    extra: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """The server's command line, without secrets: those travel in the environment."""
        where = ["--host", HOST, "--port", str(self.port)]
        what = ["--model", str(self.model), "--served-model-name", *self.served_names]
        return [*what, *where, *ENGINE, *self._lora_arguments(), *self.extra]

    def _lora_arguments(self) -> list[str]:
        enable = ["--enable-lora", "--max-loras", "2"] if self.lora or self.lora_at_runtime else []
        modules = ["--lora-modules", *(f"{name}={path}" for name, path in self.lora.items())]
        return [*enable, *modules] if self.lora else enable

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        key = {"VLLM_API_KEY": self.api_key} if self.api_key else {}
        runtime = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"} if self.lora_at_runtime else {}
        return {**inherited, **OFFLINE, **runtime, **key, **self.variables}


class VllmServer:
    """One vLLM process, owned by whoever holds this object.

    `start` returns at once and `wait_ready` blocks, so that two servers can come up side by side; from a
    coroutine use `asyncio.to_thread(server.wait_ready)`. Call `start` from the main thread: the server ends
    with the thread that started it. As a context manager it starts, waits, and stops.
    """

    def __init__(self, options: VllmOptions, python: Path | None = None) -> None:
        self.options = options
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.options.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the process; VllmError when vLLM is not installed."""
        python = self._python or find_vllm_python()
        if python is None:
            raise VllmError("vLLM is not installed: run `make components`, or set TIPSTAFF_VLLM_PYTHON")
        self.options.log.parent.mkdir(parents=True, exist_ok=True)
        with self.options.log.open("wb") as log:
            self._process = self._spawn(python, log)

    def _spawn(self, python: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
        server = [str(python), "-m", "vllm.entrypoints.openai.api_server", *self.options.arguments()]
        return subprocess.Popen(  # noqa: S603 - the command line is made of our own options
            [*dies_with_parent(), *server],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.options.environment(),
            cwd=self.options.log.parent,
            start_new_session=True,
        )

    def wait_ready(self, deadline: float = START_DEADLINE) -> None:
        """Blocks until /health answers 200; VllmError after `deadline` seconds or when the process ends."""
        until = time.monotonic() + deadline
        while not self._healthy():
            if self._process is None or self._process.poll() is not None:
                raise VllmError(f"vLLM ended before it was ready; {self._last_words()}")
            if time.monotonic() > until:
                raise VllmError(f"vLLM was not ready after {deadline:.0f} s; {self._last_words()}")
            time.sleep(0.25)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.options.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False  # not listening yet
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.options.log.read_text(errors="replace").splitlines()
        errors = [line.strip() for line in lines if "Error" in line]
        return f"{(errors or lines or ['it said nothing'])[-1]} (log: {self.options.log})"

    def stop(self) -> None:
        """Ends the process and its engine, by force after 20 s; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):  # what is left is killed below
            process.wait(STOP_DEADLINE)
        kill_session(process.pid)
        process.wait(STOP_DEADLINE)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
