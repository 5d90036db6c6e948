"""An environment of its own for what must not be in the one that tipstaff runs in, from a lock with hashes."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run

INSTALL_DEADLINE = 1500.0


@dataclass(frozen=True, slots=True)
class Environment:
    """Its Python is what tests ask for: the scripts of an environment that was moved into its place don't run."""

    name: str
    lock: Path

    def find(self) -> Path | None:
        folder = cache_folder() / self._key()
        return folder / "venv" / "bin" / "python" if is_complete(folder) else None

    def install(self) -> None:
        build(self._key(), self._install)

    def _key(self) -> str:
        return f"{self.name}-{hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]}"

    def _install(self, folder: Path) -> None:
        run((sys.executable, "-m", "venv", folder / "venv"), deadline=120)
        python = folder / "venv" / "bin" / "python"
        run((python, "-m", "pip", "install", "--quiet", "uv"), deadline=300)
        run(
            (python, "-m", "uv", "pip", "install", "--python", python, "--require-hashes", "-r", self.lock),
            INSTALL_DEADLINE,
        )
