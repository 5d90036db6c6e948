"""The environment that `tipstaff train` runs in: what the extra `train` asks for, locked."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run

LOCK = Path(__file__).parents[2] / "classifiers" / "training" / "requirements.txt"
INSTALL_DEADLINE = 1500.0


@dataclass(frozen=True, slots=True)
class Trainer:
    name: str = "trainer"

    def find(self) -> Path | None:
        folder = cache_folder() / _key()
        return folder / "venv" / "bin" / "python" if is_complete(folder) else None

    def install(self) -> None:
        build(_key(), _install)


def _key() -> str:
    return f"trainer-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"


def _install(folder: Path) -> None:
    run((sys.executable, "-m", "venv", folder / "venv"), deadline=120)
    python = folder / "venv" / "bin" / "python"
    run((python, "-m", "pip", "install", "--quiet", "uv"), deadline=300)
    run(
        (python, "-m", "uv", "pip", "install", "--python", python, "--require-hashes", "-r", LOCK),
        INSTALL_DEADLINE,
    )
