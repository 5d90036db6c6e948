"""Programs that Go installs by name and version; its checksum database vouches for their sources."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run
from tests.components.component import Missing

INSTALL_DEADLINE = 1200.0


@dataclass(frozen=True, slots=True)
class GoTool:
    """Found: the program, which is called what its package is."""

    name: str
    package: str
    version: str

    def find(self) -> Path | None:
        folder = cache_folder() / self._key()
        return folder / self.package.rpartition("/")[2] if is_complete(folder) else None

    def install(self) -> None:
        if not shutil.which("go"):
            raise Missing("no go on PATH: install Go 1.26 or newer")
        build(self._key(), self._install)

    def _key(self) -> str:
        return f"{self.name}-{self.version}"

    def _install(self, folder: Path) -> None:
        install = ("nice", "-n", "15", "go", "install", "-trimpath", f"{self.package}@v{self.version}")
        run(install, INSTALL_DEADLINE, GOBIN=str(folder), CGO_ENABLED="0")
