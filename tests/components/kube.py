"""A real Kubernetes control plane without containers: built by Go from one module that pins every source."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run
from tests.components.component import Missing

MODULE = Path(__file__).with_name("kube")
PARTS = ("go.mod", "go.sum", "build.sh")
BUILD_DEADLINE = 1800.0


@dataclass(frozen=True, slots=True)
class Kube:
    """Found: the folder of its programs, with kwok's stages in `stages`."""

    name: str = "kube"

    def find(self) -> Path | None:
        folder = cache_folder() / _key()
        return folder if is_complete(folder) else None

    def install(self) -> None:
        if not shutil.which("go"):
            raise Missing("no go on PATH: install Go 1.26 or newer")
        build(_key(), _install)


def _key() -> str:
    digest = hashlib.sha256(b"".join((MODULE / part).read_bytes() for part in PARTS))
    return f"kube-{digest.hexdigest()[:12]}"


def _install(folder: Path) -> None:
    run(("nice", "-n", "15", MODULE / "build.sh", folder), BUILD_DEADLINE)
